#include "controller/translate/arrivals.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <vector>

#include "routing/endpoint/endpoint.h"
#include "routing/endpoint/pool_table.h"

namespace cppx::controller {
namespace {

using routing::EndpointAddress;
using routing::EndpointPool;
using routing::JoinTime;

/// Nothing when it is not in the pool.
std::optional<JoinTime> time_in(const EndpointPool& pool, const EndpointAddress& address) {
  const auto found = std::ranges::lower_bound(pool.endpoints, address);
  if (found == pool.endpoints.end() || *found != address) return std::nullopt;
  return pool.join_time(static_cast<std::size_t>(found - pool.endpoints.begin()));
}

}  // namespace

void Arrivals::note(const EndpointPool& before, const EndpointPool& after) {
  if (!now_) return;
  std::vector<EndpointAddress> added;
  std::ranges::set_difference(after.endpoints, before.endpoints, std::back_inserter(added));
  // Where it is the only kind there is, nobody else could take its share.
  if (added.size() == after.endpoints.size()) return;
  for (const EndpointAddress& address : added) times_.emplace(address, *now_);
}

void Arrivals::find_known(const routing::PoolTable& pools) {
  if (times_.empty()) return;
  std::unordered_map<EndpointAddress, JoinTime, routing::EndpointAddressHash> known;
  for (const auto& pool : pools) {
    for (std::size_t i = 0; i < pool->endpoints.size(); ++i) {
      if (!times_.contains(pool->endpoints[i])) continue;
      // Of several pools, the last one that it was new in.
      JoinTime& time = known.try_emplace(pool->endpoints[i], routing::kFromTheStart).first->second;
      time = std::max(time, pool->join_time(i));
    }
  }
  for (const auto& [address, time] : known) times_[address] = time;
}

std::vector<JoinTime> Arrivals::times_of(const EndpointPool* before, const EndpointPool& after)
    const {
  if (times_.empty() && (before == nullptr || before->joined.empty())) return {};
  std::vector<JoinTime> times;
  times.reserve(after.endpoints.size());
  for (const EndpointAddress& address : after.endpoints) {
    const auto kept = before == nullptr ? std::nullopt : time_in(*before, address);
    const auto found = times_.find(address);
    const JoinTime added = found == times_.end() ? routing::kFromTheStart : found->second;
    times.push_back(kept.value_or(added));
  }
  const bool none = std::ranges::count(times, routing::kFromTheStart) == std::ssize(times);
  return none ? std::vector<JoinTime>() : times;
}

}  // namespace cppx::controller
