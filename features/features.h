#pragma once
// The features folder: one folder a feature, each with its policy (a value on the route) and its
// filter (a pure step on heads). Evaluated in the one order of all.cpp. May include: routing, base.

#include <cstdint>
#include <string>
#include <string_view>

#include "routing/match/routing_table.h"

namespace cppx::features {

/// What a filter may look at. Views live as long as the stream's request head.
struct RequestView {
  bool tls = false;                  ///< The client's connection to us is TLS.
  std::string_view scheme = "http";  ///< As users see it: of a trusted proxy, or the connection's.
  std::string_view host;             ///< Host header without port.
  std::string_view public_host;      ///< As users see it: of a trusted proxy, or `host`.
  std::string_view target;           ///< Request target as sent: path and query.
  std::string_view path;             ///< Normalised path.
};

/// An answer made here instead of by a backend.
struct Respond {
  std::uint16_t status = 0;  ///< 0: no answer, go on.
  std::string location{};    ///< Set on redirects.
};

/// Runs the filters of the route's policies in the order a client can observe. `match` has a route.
/// Pure.
Respond run_request_filters(const routing::RouteMatch& match, const RequestView& request);

}  // namespace cppx::features
