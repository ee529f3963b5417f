#include "routing/match/routing_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "routing/match/path_trie.h"
#include "routing/match/route.h"

namespace cppx::routing {
namespace {

constexpr std::string_view kCatchAll = "_";

}  // namespace

bool VirtualHost::add_route(Route route) {
  if (!paths.add(route.path_type, route.path, static_cast<RouteIndex>(routes.size()))) return false;
  routes.push_back(std::move(route));
  return true;
}

RoutingTable::RoutingTable(std::vector<std::shared_ptr<const VirtualHost>> hosts) {
  std::vector<std::size_t> order(hosts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::tuple<std::string_view, std::size_t>(hosts[i]->name, i);
  });
  hosts_.reserve(hosts.size() + 1);
  for (const std::size_t i : order)
    if (hosts_.empty() || hosts_.back()->name != hosts[i]->name)
      hosts_.push_back(std::move(hosts[i]));

  const auto name = [](const auto& host) -> std::string_view { return host->name; };
  auto catch_all = std::ranges::lower_bound(hosts_, kCatchAll, {}, name);
  if (catch_all == hosts_.end() || name(*catch_all) != kCatchAll) {
    auto made = std::make_shared<VirtualHost>();
    made->name = kCatchAll;
    catch_all = hosts_.insert(catch_all, std::move(made));
  }
  catch_all_ = catch_all->get();

  for (std::size_t i = 0; i < hosts_.size(); ++i)
    if (hosts_[i].get() != catch_all_) index_.add(hosts_[i]->name, static_cast<std::uint32_t>(i));
}

const VirtualHost& RoutingTable::find_host(std::string_view host) const noexcept {
  const std::uint32_t found = index_.find(host);
  return found == HostIndex::kNone ? *catch_all_ : *hosts_[found];
}

RouteMatch RoutingTable::match(std::string_view host, std::string_view normalized_path)
    const noexcept {
  const VirtualHost& virtual_host = find_host(host);
  const PathMatch match = virtual_host.paths.match(normalized_path);
  if (match.route == kNoRoute) return {.host = &virtual_host, .route = nullptr, .add_slash = false};
  return {
      .host = &virtual_host,
      .route = &virtual_host.routes[match.route],
      .add_slash = match.add_slash
  };
}

}  // namespace cppx::routing
