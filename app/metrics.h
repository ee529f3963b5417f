#pragma once

#include <string>

#include "controller/controller.h"
#include "proxy/worker/counters.h"

namespace cppx::app {

/// The page of /metrics in the Prometheus text format, from the workers' plain counters. Made when
/// it is asked for: nothing is kept, and the request path pays nothing for it.
std::string render_metrics(
    const proxy::Counters& counters, const controller::ControllerStatus& status
);

}  // namespace cppx::app
