#include "routing/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"
#include "routing/match/routing_table.h"
#include "routing/policy.h"
#include "routing/snapshot.h"

namespace cppx::routing {
namespace {

std::string_view pool_name(const Snapshot& snapshot, PoolIndex pool) noexcept {
  if (pool == kDefaultBackend) return "default-backend";
  return pool < snapshot.pools.size() ? std::string_view(snapshot.pools[pool]->name)
                                      : "no-such-pool";
}

void append_route(const Snapshot& snapshot, const Route& route, std::string& out) {
  fmt::format_to(
      std::back_inserter(out), "  {} {} -> {}", to_string(route.path_type), route.path,
      pool_name(snapshot, route.pool)
  );
  if (route.protocol != BackendProtocol::kHttp)
    fmt::format_to(std::back_inserter(out), " over {}", to_string(route.protocol));
  if (!route.origin.ingress.empty())
    fmt::format_to(
        std::back_inserter(out), " [ns={} ingress={}]", route.origin.ns, route.origin.ingress
    );
  for (auto i = 0U; i < static_cast<unsigned>(Feature::kCount); ++i) {
    const auto feature = static_cast<Feature>(i);
    const Policy* policy = route.policies.find(feature);
    if (policy == nullptr) continue;
    fmt::format_to(std::back_inserter(out), " +{}", to_string(feature));
    if (const std::string value = policy->describe(); !value.empty())
      fmt::format_to(std::back_inserter(out), "({})", value);
  }
  out.push_back('\n');
}

void append_host(const Snapshot& snapshot, const VirtualHost& host, std::string& out) {
  if (host.name == "_" && host.routes.empty() && !host.tls) return;
  fmt::format_to(std::back_inserter(out), "host {}{}\n", host.name, host.tls ? " tls" : "");
  std::vector<const Route*> routes;
  routes.reserve(host.routes.size());
  for (const Route& route : host.routes) routes.push_back(&route);
  std::ranges::sort(routes, {}, [](const Route* route) {
    return std::tuple<std::string_view, PathType>(route->path, route->path_type);
  });
  for (const Route* route : routes) append_route(snapshot, *route, out);
}

void append_pool(const EndpointPool& pool, std::string& out) {
  fmt::format_to(std::back_inserter(out), "pool {} {}", pool.name, to_string(pool.status));
  for (const EndpointAddress& endpoint : pool.endpoints)
    fmt::format_to(std::back_inserter(out), " {}", endpoint.to_string());
  if (pool.hashes != nullptr) out.append(" +hashes");
  out.push_back('\n');
}

std::vector<const EndpointPool*> pools_by_name(const Snapshot& snapshot) {
  std::vector<const EndpointPool*> pools;
  for (const auto& pool : snapshot.pools)
    if (!pool->name.empty()) pools.push_back(pool.get());
  std::ranges::sort(pools, {}, [](const EndpointPool* pool) -> const std::string& {
    return pool->name;
  });
  return pools;
}

}  // namespace

std::string dump(const Snapshot& snapshot) {
  std::string out;
  const auto& listeners = snapshot.listeners;
  const bool one_table = std::ranges::all_of(listeners, [&](const ListenerTable& listener) {
    return listener.routes == listeners.front().routes;
  });
  for (const ListenerTable& listener : listeners) {
    if (!one_table) fmt::format_to(std::back_inserter(out), "listener {}\n", listener.name);
    for (const auto& host : listener.routes->hosts()) append_host(snapshot, *host, out);
    if (one_table) break;
  }
  for (const EndpointPool* pool : pools_by_name(snapshot)) append_pool(*pool, out);
  return out;
}

}  // namespace cppx::routing
