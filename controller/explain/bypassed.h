#pragma once

#include "controller/explain/explanation.h"
#include "features/decision.h"

namespace cppx::controller {

/// Adds what did not get the request and why: paths of the host, other hosts, Ingresses that made
/// no route of it; and the diagnostics that have to do with it. Completes the route's field.
void add_bypassed(
    const features::FoundRoute& found, const ExplainInput& input, Explanation& explanation
);

}  // namespace cppx::controller
