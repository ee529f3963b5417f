#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/match/host_map.h"
#include "routing/match/path_trie.h"
#include "routing/match/route.h"

namespace cppx::routing {

/// One host name and its routes. Immutable; shared by successive snapshots while it does not
/// change.
struct VirtualHost {
  std::string name;  ///< Lower case; "*.example.com" for a wildcard; "_" for the catch-all.
  bool tls = false;  ///< Some Ingress of the host has a `tls` section.
  std::vector<Route> routes;
  PathTrie paths;  ///< Indices into routes.

  /// Appends the route unless its path is taken already; says whether it did.
  bool add_route(Route route);
};

/// What matched. `host` is never null; `route` is null when no path of the host does (404).
struct RouteMatch {
  const VirtualHost* host = nullptr;
  const Route* route = nullptr;
  bool add_slash = false;
};

/// What is known of a host without looking into it: with very many hosts each look would have to
/// wait for memory once more.
struct HostRoutes {
  const VirtualHost* host = nullptr;
  const Route* takes_all = nullptr;  ///< For whatever path.

  static HostRoutes of(const VirtualHost& host) noexcept;
};

/// Hosts and paths to routes, for one listener or several. Immutable; look-up allocates nothing.
class RoutingTable {
 public:
  using Host = std::shared_ptr<const VirtualHost>;
  /// By name; null: the host is gone.
  using Changes = std::map<std::string, Host>;

  /// `hosts` in any order; one named "_" becomes the catch-all (an empty one is made if there is
  /// none). A name given twice: the first one stays.
  explicit RoutingTable(const std::vector<Host>& hosts = {});

  /// A table in which these hosts are others. It costs what they and a few others cost: all else is
  /// shared with this one.
  [[nodiscard]] RoutingTable with(const Changes& changes) const;

  /// `host` without port (host_without_port); case does not matter. `normalized_path` as made by
  /// normalize_path. An exact host wins over a wildcard, a wildcard over the catch-all, and a host
  /// that matched is never left again for its paths (RFC 9110 7.2, nginx servers).
  [[nodiscard]] RouteMatch match(std::string_view host, std::string_view normalized_path)
      const noexcept;

  [[nodiscard]] const VirtualHost& find_host(std::string_view host) const noexcept;

  /// How many hosts, the catch-all among them.
  [[nodiscard]] std::size_t size() const noexcept { return named_.size() + 1; }
  /// All of them, sorted by name: for people. It costs what all of them cost.
  [[nodiscard]] std::vector<Host> hosts() const;

 private:
  [[nodiscard]] HostRoutes find(std::string_view host) const noexcept;

  HostMap<VirtualHost, HostRoutes> named_;
  Host catch_all_;
  HostRoutes catch_all_routes_;
};

}  // namespace cppx::routing
