#pragma once

#include <cstdint>
#include <unordered_map>

#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

/// Round robin over the endpoints of each pool, for one worker. Positions are kept by the identity
/// of the pool, so a change of endpoints goes on where the last one was. Each worker starts
/// elsewhere, so that together they are fair from the first request on.
class Balancer {
 public:
  Balancer(std::uint32_t worker, std::uint32_t workers) noexcept
      : worker_(worker), workers_(workers) {}

  /// Index of the next endpoint; the pool must not be empty.
  std::uint32_t next(const routing::EndpointPool& pool) {
    const auto [position, created] = positions_.try_emplace(pool.identity, 0U);
    const auto size = static_cast<std::uint32_t>(pool.endpoints.size());
    if (created)
      position->second = static_cast<std::uint32_t>(std::uint64_t{worker_} * size / workers_);
    if (position->second >= size) position->second %= size;
    const std::uint32_t chosen = position->second;
    position->second = chosen + 1 == size ? 0 : chosen + 1;
    return chosen;
  }

  /// Forgets pools that are no more; called when a snapshot is taken.
  template <class Snapshot>
  void keep_only(const Snapshot& snapshot) {
    if (positions_.size() <= 2 * snapshot.pools.size() + 64) return;
    std::unordered_map<std::uint64_t, std::uint32_t> kept;
    for (const auto& pool : snapshot.pools) {
      const auto found = positions_.find(pool->identity);
      if (found != positions_.end()) kept.insert(*found);
    }
    positions_ = std::move(kept);
  }

 private:
  std::uint32_t worker_;
  std::uint32_t workers_;
  std::unordered_map<std::uint64_t, std::uint32_t> positions_;
};

}  // namespace cppx::proxy
