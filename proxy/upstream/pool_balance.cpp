#include "proxy/upstream/pool_balance.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/upstream/endpoint_health.h"
#include "proxy/upstream/local_endpoint.h"
#include "routing/endpoint/endpoint.h"
#include "routing/settings.h"

namespace cppx::proxy {
namespace {

using Phase = EndpointHealth::Phase;

// Even the first moment of a return brings requests: without any there would be nothing to judge.
constexpr double kLeastShare = 0.1;

}  // namespace

std::chrono::milliseconds rising_time(
    Phase phase, const routing::ProxySettings& settings
) noexcept {
  return phase == Phase::kStarting ? settings.upstream_slow_start : settings.ejection.return_time;
}

void PoolBalance::assign(
    std::shared_ptr<const routing::EndpointPool> pool, std::vector<LocalEndpoint*> endpoints
) {
  for (LocalEndpoint* endpoint : endpoints) ++endpoint->pools;
  for (LocalEndpoint* endpoint : endpoints_) --endpoint->pools;
  pool_ = std::move(pool);
  endpoints_ = std::move(endpoints);
  standings_.clear();
  waiting_.clear();
  changes_seen_ = ~std::uint64_t{0};
}

bool PoolBalance::troubled(
    std::uint64_t changes, const routing::ProxySettings& settings,
    EndpointHealth::Clock::time_point (*clock)()
) {
  const bool same = changes == changes_seen_;
  if (same && standings_.empty()) return false;
  now_ = std::chrono::time_point_cast<std::chrono::milliseconds>(clock());
  if (!same || now_ >= look_again_) {
    changes_seen_ = changes;
    look(now_, settings);
  }
  return !standings_.empty();
}

void PoolBalance::look(Time now, const routing::ProxySettings& settings) {
  standings_.clear();
  waiting_.clear();
  look_again_ = Time::max();
  std::size_t fit = 0;
  bool all_full = true;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    const auto state = endpoints_[i]->health->state();
    auto standing = Standing::kFull;
    Time until = Time::max();
    const bool tried_out = EndpointHealth::is_tried_out(state, now);
    if (!tried_out && (state.phase == Phase::kReturning || state.phase == Phase::kStarting)) {
      until = state.time + rising_time(state.phase, settings);
      standing = now < until ? Standing::kRising : Standing::kFull;
    } else if (EndpointHealth::waits_for_probe(state, now)) {
      standing = Standing::kWaiting;
      waiting_.push_back(i);
    } else if (state.phase != Phase::kHealthy) {
      standing = Standing::kOut;
      until =
          state.phase == Phase::kProbing ? state.time + EndpointHealth::kProbePatience : state.time;
    }
    if (standing == Standing::kFull || standing == Standing::kRising) ++fit;
    if (standing == Standing::kFull) until = Time::max();
    look_again_ = std::min(look_again_, until);
    all_full = all_full && standing == Standing::kFull;
    standings_.push_back(standing);
  }
  panic_ = fit * 2 < endpoints_.size();
  if (all_full) standings_.clear();
}

double PoolBalance::share(std::uint32_t index, const routing::ProxySettings& settings) const {
  const auto state = endpoints_[index]->health->state();
  const auto whole = rising_time(state.phase, settings);
  if (whole.count() <= 0) return 1;
  const double part =
      static_cast<double>((now_ - state.time).count()) / static_cast<double>(whole.count());
  return std::clamp(part, kLeastShare, 1.0);
}

}  // namespace cppx::proxy
