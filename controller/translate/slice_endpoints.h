#pragma once

#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::controller {

/// The addresses behind a Service port by its EndpointSlices: of the ready endpoints or, when there
/// are none, of those still serving while they terminate. In no order, may have duplicates.
std::vector<routing::EndpointAddress> endpoints_of(
    const std::vector<const EndpointSlice*>& slices, const ServicePort& port,
    DiagnosticList& diagnostics
);

}  // namespace cppx::controller
