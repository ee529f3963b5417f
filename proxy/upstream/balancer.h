#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/fast_random.h"
#include "proxy/upstream/health_registry.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/pool_balance.h"
#include "routing/endpoint/endpoint.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

struct Choice {
  std::uint32_t index = 0;
  LocalEndpoint* endpoint = nullptr;  ///< Never null; valid as long as an EndpointUse holds it.
};

/// Chooses endpoints for one worker. State is kept by the identity of the pool, so a change of
/// endpoints goes on where the last one was. Round robin starts elsewhere on each worker, so that
/// together they are fair from the first request on, and is exactly fair as long as every endpoint
/// is healthy. Endpoints that are ejected are passed over, unless fewer than half would be left.
class Balancer {
 public:
  using Clock = std::chrono::steady_clock::time_point (*)();

  Balancer(
      std::uint32_t worker, std::uint32_t workers, HealthRegistry& registry, std::uint64_t seed,
      Clock clock = [] { return std::chrono::steady_clock::now(); }
  ) noexcept
      : worker_(worker), workers_(workers), registry_(registry), random_(seed), clock_(clock) {}
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;

  /// An endpoint for one request: one that was not tried, if there is one, and is fit. Nothing when
  /// all are at their limits.
  std::optional<Choice> choose(const BalanceRequest& request);
  /// That very endpoint, fit or not; nothing when it is at its limit.
  std::optional<Choice> take(const BalanceRequest& request, std::uint32_t index);
  /// Whether the endpoint is fit, and has room, for a request that belongs to it, be it as the
  /// probe.
  bool may_serve(const BalanceRequest& request, std::uint32_t index);
  /// Likewise for the first request of a session, of which an endpoint gets its rising share.
  bool may_begin(const BalanceRequest& request, std::uint32_t index);

  /// A connection that is new was made.
  void on_connection(LocalEndpoint& endpoint);
  /// A request was answered.
  void on_success(LocalEndpoint& endpoint, const routing::ProxySettings& settings);
  /// A connection could not be made or ended without an answer.
  void on_failure(LocalEndpoint& endpoint, const routing::ProxySettings& settings);

  /// Forgets pools that are no more; called when a snapshot is taken.
  void keep_only(const routing::Snapshot& snapshot);

  /// Ejections that this worker brought about.
  [[nodiscard]] std::uint64_t ejections() const noexcept { return ejections_; }
  [[nodiscard]] FastRandom& random() noexcept { return random_; }
  [[nodiscard]] std::chrono::steady_clock::time_point now() const { return clock_(); }
  [[nodiscard]] std::size_t known_endpoints() const noexcept { return endpoints_.size(); }

 private:
  bool is_troubled(PoolBalance& balance, const BalanceRequest& request);
  PoolBalance& balance_of(const BalanceRequest& request);
  void adopt(PoolBalance& balance, const BalanceRequest& request);
  void sweep();

  std::uint32_t worker_;
  std::uint32_t workers_;
  HealthRegistry& registry_;
  FastRandom random_;
  Clock clock_;
  std::unordered_map<routing::EndpointAddress, LocalEndpoint, routing::EndpointAddressHash>
      endpoints_;
  std::size_t sweep_at_ = 64;
  std::uint64_t ejections_ = 0;
  std::unordered_map<std::uint64_t, PoolBalance> pools_;  // refers to endpoints_
};

}  // namespace cppx::proxy
