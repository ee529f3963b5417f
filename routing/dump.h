#pragma once

#include <string>

#include "routing/snapshot.h"

namespace cppx::routing {

/// The snapshot as text for people and golden tests: settings are left out, the rest is complete and
/// in a fixed order (hosts and pools by name, routes by path).
///
///   host www.example.com tls
///     Prefix / -> default/web:80 [ns=default ingress=web]
///   pool default/web:80 ready 10.244.0.5:8080 10.244.0.6:8080
std::string dump(const Snapshot& snapshot);

}  // namespace cppx::routing
