#include "controller/explain/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "routing/match/route.h"
#include "routing/match/routing_table.h"
#include "routing/snapshot.h"
#include "tls/certificate.h"
#include "tls/sni_table.h"

namespace cppx::controller {
namespace {

std::string tls_of(const routing::Snapshot& snapshot, const routing::VirtualHost& host) {
  const auto* https = snapshot.find_listener(routing::kHttpsListener);
  if (!host.tls || https == nullptr) return {};
  const tls::Certificate& shown = https->certificates->find(host.name);
  return &shown == &https->certificates->fallback() || shown.origin().empty() ? "default"
                                                                              : shown.origin();
}

void add_route(
    const routing::Snapshot& snapshot, const routing::VirtualHost& host,
    const routing::Route& route, const std::string& tls, std::vector<ListedRoute>& out
) {
  if (route.origin.ingress.empty() && route.origin.service.empty()) return;
  ListedRoute row;
  row.host = host.name;
  row.path = route.path;
  row.path_type = routing::to_string(route.path_type);
  row.tls = tls;
  if (!route.origin.ingress.empty())
    row.ingress = fmt::format("{}/{}", route.origin.ns, route.origin.ingress);
  if (route.pool != routing::kDefaultBackend) {
    row.backend = fmt::format("{}:{}", route.origin.service, route.origin.service_port);
    row.ready = snapshot.pools[route.pool]->endpoints.size();
  }
  out.push_back(std::move(row));
}

}  // namespace

std::vector<ListedRoute> list_routes(const routing::Snapshot& snapshot) {
  std::vector<ListedRoute> out;
  if (snapshot.listeners.empty()) return out;
  for (const auto& host : snapshot.listeners.front().routes->hosts()) {
    const auto begin = static_cast<std::ptrdiff_t>(out.size());
    const std::string tls = tls_of(snapshot, *host);
    for (const routing::Route& route : host->routes) add_route(snapshot, *host, route, tls, out);
    std::ranges::sort(out.begin() + begin, out.end(), {}, [](const ListedRoute& row) {
      return std::tuple<std::string_view, std::string_view>(row.path, row.path_type);
    });
  }
  return out;
}

nlohmann::json to_json(const std::vector<ListedRoute>& routes) {
  auto out = nlohmann::json::array();
  for (const ListedRoute& row : routes)
    out.push_back({
        {"host", row.host},
        {"path", row.path},
        {"pathType", row.path_type},
        {"ingress", row.ingress},
        {"backend", row.backend},
        {"ready", row.ready},
        {"tls", row.tls},
    });
  return out;
}

}  // namespace cppx::controller
