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

using Hosts = std::vector<std::shared_ptr<const VirtualHost>>;

// Those of one name stay in their order.
void sort_by_name(Hosts& hosts) {
  std::vector<std::size_t> order(hosts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::tuple<std::string_view, std::size_t>(hosts[i]->name, i);
  });
  Hosts sorted;
  sorted.reserve(hosts.size());
  for (const std::size_t i : order) sorted.push_back(std::move(hosts[i]));
  hosts = std::move(sorted);
}

}  // namespace

bool VirtualHost::add_route(Route route) {
  if (!paths.add(route.path_type, route.path, static_cast<RouteIndex>(routes.size()))) return false;
  routes.push_back(std::move(route));
  return true;
}

RoutingTable::RoutingTable(std::vector<std::shared_ptr<const VirtualHost>> hosts)
    : hosts_(std::move(hosts)) {
  const auto name = [](const auto& host) -> std::string_view { return host->name; };
  // They mostly are in order, and looking is much cheaper than sorting.
  if (!std::ranges::is_sorted(hosts_, {}, name)) sort_by_name(hosts_);
  const auto again = std::ranges::unique(hosts_, {}, name);
  hosts_.erase(again.begin(), again.end());

  auto catch_all = std::ranges::lower_bound(hosts_, kCatchAll, {}, name);
  if (catch_all == hosts_.end() || name(*catch_all) != kCatchAll) {
    auto made = std::make_shared<VirtualHost>();
    made->name = kCatchAll;
    catch_all = hosts_.insert(catch_all, std::move(made));
  }
  catch_all_ = entry_of(**catch_all);

  index_.reserve(hosts_.size());
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    if (hosts_[i].get() != catch_all_.host)
      index_.add(hosts_[i]->name, static_cast<std::uint32_t>(i));

  entries_.resize(index_.slots());
  for (std::size_t slot = 0; slot < entries_.size(); ++slot)
    if (const std::uint32_t value = index_.value_at(slot); value != HostIndex::kNone)
      entries_[slot] = entry_of(*hosts_[value]);
}

RoutingTable::Entry RoutingTable::entry_of(const VirtualHost& host) noexcept {
  const RouteIndex all = host.paths.takes_all();
  return {.host = &host, .takes_all = all == kNoRoute ? nullptr : &host.routes[all]};
}

RoutingTable::Entry RoutingTable::find_entry(std::string_view host) const noexcept {
  const HostIndex::Search search = index_.begin(host);
  // Together with the slot, which says whether it is this one.
  __builtin_prefetch(entries_.data() + search.first_slot);
  const std::uint32_t slot = index_.find_slot(search);
  return slot == HostIndex::kNone ? catch_all_ : entries_[slot];
}

const VirtualHost& RoutingTable::find_host(std::string_view host) const noexcept {
  return *find_entry(host).host;
}

RouteMatch RoutingTable::match(std::string_view host, std::string_view normalized_path)
    const noexcept {
  const auto [virtual_host, takes_all] = find_entry(host);
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
