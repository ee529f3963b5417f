#include "routing/match/routing_table.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/match/path_trie.h"
#include "routing/match/route.h"

namespace cppx::routing {
namespace {

constexpr std::string_view kCatchAll = "_";

RoutingTable::Host empty_catch_all() {
  auto made = std::make_shared<VirtualHost>();
  made->name = kCatchAll;
  return made;
}

}  // namespace

bool VirtualHost::add_route(Route route) {
  if (!paths.add(route.path_type, route.path, static_cast<RouteIndex>(routes.size()))) return false;
  routes.push_back(std::move(route));
  return true;
}

HostRoutes HostRoutes::of(const VirtualHost& host) noexcept {
  const RouteIndex all = host.paths.takes_all();
  return {.host = &host, .takes_all = all == kNoRoute ? nullptr : &host.routes[all]};
}

RoutingTable::RoutingTable(const std::vector<Host>& hosts)
    : catch_all_(empty_catch_all()), catch_all_routes_(HostRoutes::of(*catch_all_)) {
  Changes all;
  for (const Host& host : hosts) all.try_emplace(host->name, host);
  if (!all.empty()) *this = with(all);
}

RoutingTable RoutingTable::with(const Changes& changes) const {
  RoutingTable out = *this;
  const auto catch_all = changes.find(std::string(kCatchAll));
  if (catch_all != changes.end()) {
    out.catch_all_ = catch_all->second == nullptr ? empty_catch_all() : catch_all->second;
    out.catch_all_routes_ = HostRoutes::of(*out.catch_all_);
  }
  if (catch_all == changes.end()) {
    out.named_ = named_.with(changes);
  } else if (changes.size() > 1) {
    Changes named = changes;
    named.erase(std::string(kCatchAll));
    out.named_ = named_.with(named);
  }
  return out;
}

std::vector<RoutingTable::Host> RoutingTable::hosts() const {
  std::vector<Host> out{catch_all_};
  named_.for_each([&](const std::string&, const Host& host) { out.push_back(host); });
  std::ranges::sort(out, {}, [](const Host& host) -> std::string_view { return host->name; });
  return out;
}

HostRoutes RoutingTable::find(std::string_view host) const noexcept {
  const HostRoutes* const found = named_.find(host);
  return found == nullptr ? catch_all_routes_ : *found;
}

const VirtualHost& RoutingTable::find_host(std::string_view host) const noexcept {
  return *find(host).host;
}

RouteMatch RoutingTable::match(std::string_view host, std::string_view normalized_path)
    const noexcept {
  const auto [virtual_host, takes_all] = find(host);
  if (takes_all != nullptr) return {.host = virtual_host, .route = takes_all, .add_slash = false};
  const PathMatch match = virtual_host->paths.match(normalized_path);
  if (match.route == kNoRoute) return {.host = virtual_host, .route = nullptr, .add_slash = false};
  return {
      .host = virtual_host,
      .route = &virtual_host->routes[match.route],
      .add_slash = match.add_slash
  };
}

}  // namespace cppx::routing
