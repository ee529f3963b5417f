#pragma once

#include <string>

#include "routing/snapshot.h"

namespace cppx::routing {

/// The snapshot as text for people and golden tests: settings, certificates and the values of
/// policies are left out, the rest is complete and in a fixed order (hosts and pools by name,
/// routes by path).
///
///   host www.example.com tls
///     Prefix / -> default/web:80 [ns=default ingress=web] +https-redirect
///   pool default/web:80 ready 10.244.0.5:8080 10.244.0.6:8080
///
/// A backend that is not spoken to in HTTP/1.1 is followed by "over GRPC" and so on. A route to the
/// built-in default backend ends in "-> default-backend". A catch-all host without
/// routes is not shown. Hosts stand under "listener NAME" lines when the listeners have different
/// tables.
std::string dump(const Snapshot& snapshot);

}  // namespace cppx::routing
