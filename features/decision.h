#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "features/features.h"
#include "routing/client/client_view.h"
#include "routing/http/message.h"
#include "routing/match/routing_table.h"
#include "routing/snapshot.h"

namespace cppx::features {

/// Where a request ends by what its head says alone. What depends on the moment (memory, limits of
/// the client, how a backend answers) comes on top.
enum class Outcome : std::uint8_t {
  kForward,         ///< To an endpoint of the route's pool.
  kNoListener,      ///< 404: the snapshot has no table for the listener.
  kBadPath,         ///< 400: cannot be normalised.
  kHealthProbe,     ///< 200 without a body: /healthz for a host that no Ingress has.
  kNoRoute,         ///< 404: no path of the host takes it.
  kBodyTooLarge,    ///< 413: the length it announces.
  kAddSlash,        ///< 301 from "/foo" to "/foo/".
  kFiltered,        ///< As a filter of the route says.
  kNoEndpoints,     ///< 503: the pool is empty.
  kDefaultBackend,  ///< 404 of the built-in default backend.
};

/// What a request found in the snapshot. Views live as long as the snapshot, the head and the
/// scratch memory.
struct FoundRoute {
  Outcome outcome = Outcome::kForward;  ///< Other than that: it ends here, and there is no route.
  std::string_view host;                ///< As asked for, without port; "_" without a valid one.
  std::string_view path;                ///< Normalised.
  routing::RouteMatch match;            ///< Of kForward, kHealthProbe and kNoRoute.
};

/// Host and path of a request to a route. `listener` is the name of its table. Pure.
FoundRoute find_route(
    const routing::Snapshot& snapshot, std::string_view listener,
    const routing::RequestHead& request, std::string& path_scratch
);

struct Decision {
  Outcome outcome = Outcome::kForward;
  Respond respond;  ///< Status 0 for kForward.
};

/// What becomes of a request whose route was found (FoundRoute::outcome is kForward): steps in the
/// order that a client can observe. Pure.
Decision decide(
    const routing::Snapshot& snapshot, const FoundRoute& found, const routing::RequestHead& request,
    const routing::ConnectionOrigin& connection, const routing::ClientView& client
);

/// Of an answer that needs no filter's say; 0 for kForward and kFiltered.
std::uint16_t status_of(Outcome outcome) noexcept;

}  // namespace cppx::features
