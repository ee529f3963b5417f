#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "routing/snapshot.h"

namespace cppx::controller {

/// One route of one host, as `cppx routes` shows it.
struct ListedRoute {
  std::string host;  ///< "_" for the catch-all.
  std::string path;
  std::string path_type;
  std::string ingress;  ///< "ns/name"; empty: the default backend.
  std::string backend;  ///< "service:port"; empty: the built-in 404.
  std::size_t ready = 0;
  std::string tls;  ///< Secret of the host's certificate; "default"; empty: no TLS.
};

/// All routes of a snapshot: hosts by name, paths by text. What nobody asked for, such as the '/'
/// of hosts without one, is left out.
std::vector<ListedRoute> list_routes(const routing::Snapshot& snapshot);

nlohmann::json to_json(const std::vector<ListedRoute>& routes);

}  // namespace cppx::controller
