#include "proxy/upstream/balancer.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/endpoint_health.h"
#include "proxy/upstream/endpoint_picker.h"
#include "proxy/upstream/health_registry.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/pool_balance.h"
#include "routing/endpoint/endpoint.h"
#include "routing/settings.h"
#include "routing/snapshot.h"

namespace cppx::proxy {
namespace {

EndpointHealth::Time in_milliseconds(std::chrono::steady_clock::time_point time) {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(time);
}

}  // namespace

std::optional<Choice> Balancer::choose(const BalanceRequest& request) {
  PoolBalance& balance = balance_of(request);
  const bool troubled = is_troubled(balance, request);
  const auto index = EndpointPicker(request, balance, random_, clock_, troubled).pick();
  if (!index) return std::nullopt;
  return Choice{.index = *index, .endpoint = balance.endpoints()[*index]};
}

std::optional<Choice> Balancer::take(const BalanceRequest& request, std::uint32_t index) {
  LocalEndpoint* endpoint = balance_of(request).endpoints()[index];
  if (at_limit(*endpoint, request.settings.endpoint_limits)) return std::nullopt;
  // Whoever must use it tries it out as well.
  may_serve(request, index);
  return Choice{.index = index, .endpoint = endpoint};
}

bool Balancer::is_troubled(PoolBalance& balance, const BalanceRequest& request) {
  // Whoever sees the count of a change sees the change.
  return balance.troubled(
      registry_.changes().load(std::memory_order_acquire), request.settings, clock_
  );
}

bool Balancer::may_begin(const BalanceRequest& request, std::uint32_t index) {
  PoolBalance& balance = balance_of(request);
  if (is_troubled(balance, request) && !balance.panic() &&
      balance.standing(index) == PoolBalance::Standing::kRising &&
      random_.unit() >= balance.share(index, request.settings))
    return false;
  return may_serve(request, index);
}

bool Balancer::may_serve(const BalanceRequest& request, std::uint32_t index) {
  using Standing = PoolBalance::Standing;
  PoolBalance& balance = balance_of(request);
  if (at_limit(*balance.endpoints()[index], request.settings.endpoint_limits)) return false;
  if (!is_troubled(balance, request)) return true;
  const Standing standing = balance.standing(index);
  if (standing == Standing::kWaiting)
    return balance.endpoints()[index]->health->claim_probe(balance.now()) || balance.panic();
  return standing != Standing::kOut || balance.panic();
}

void Balancer::on_connection(LocalEndpoint& endpoint) {
  if (!endpoint.health->spotless()) endpoint.health->on_connection(in_milliseconds(clock_()));
}

void Balancer::on_success(LocalEndpoint& endpoint, const routing::ProxySettings& settings) {
  EndpointHealth& health = *endpoint.health;
  if (health.spotless()) return;
  health.on_success(rising_time(health.state().phase, settings), in_milliseconds(clock_()));
}

void Balancer::on_failure(LocalEndpoint& endpoint, const routing::ProxySettings& settings) {
  if (endpoint.health->on_failure(settings.ejection, in_milliseconds(clock_()), random_.unit()))
    ++ejections_;
}

PoolBalance& Balancer::balance_of(const BalanceRequest& request) {
  const auto [found, is_new] = pools_.try_emplace(request.pool->identity);
  PoolBalance& balance = found->second;
  if (balance.pool() != request.pool.get()) adopt(balance, request);
  if (is_new)
    balance.position =
        static_cast<std::uint32_t>(std::uint64_t{worker_} * balance.size() / workers_);
  if (balance.position >= balance.size()) balance.position %= balance.size();
  return balance;
}

void Balancer::adopt(PoolBalance& balance, const BalanceRequest& request) {
  const routing::EndpointPool& pool = *request.pool;
  std::vector<LocalEndpoint*> endpoints;
  endpoints.reserve(pool.endpoints.size());
  const auto slow_start = request.settings.upstream_slow_start;
  const bool may_be_new = !pool.joined.empty();
  const auto now = may_be_new ? in_milliseconds(clock_()) : EndpointHealth::Time();
  for (std::size_t i = 0; i < pool.endpoints.size(); ++i) {
    const auto [found, is_new] = endpoints_.try_emplace(pool.endpoints[i]);
    LocalEndpoint& endpoint = found->second;
    if (is_new) endpoint.health = registry_.find_or_add(pool.endpoints[i]);
    // By the pool's word, not by who has met it: which workers have is chance, and a record may be
    // left from an earlier endpoint of that address.
    if (may_be_new && pool.join_time(i) != routing::kFromTheStart) {
      const auto since = in_milliseconds(pool.join_time(i));
      endpoint.health->join(since);
      if (now < since + slow_start) endpoint.health->start_slowly(since);
    }
    endpoints.push_back(&endpoint);
  }
  balance.assign(request.pool, std::move(endpoints));
  if (endpoints_.size() > sweep_at_) sweep();
}

void Balancer::sweep() {
  std::erase_if(endpoints_, [](const auto& entry) {
    return entry.second.pools == 0 && entry.second.active == 0;
  });
  sweep_at_ = 2 * endpoints_.size() + 64;
}

void Balancer::keep_only(const routing::Snapshot& snapshot) {
  if (pools_.size() <= 2 * snapshot.pools.size() + 64) return;
  std::unordered_map<std::uint64_t, PoolBalance> kept;
  for (const auto& pool : snapshot.pools)
    if (auto node = pools_.extract(pool->identity)) kept.insert(std::move(node));
  pools_ = std::move(kept);
  sweep();
}

}  // namespace cppx::proxy
