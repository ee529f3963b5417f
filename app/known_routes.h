#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "base/error.h"
#include "controller/cache/store.h"
#include "controller/controller.h"
#include "controller/translate/diagnostic.h"
#include "routing/snapshot.h"

namespace cppx::app {

/// One complete state of manifests or of a cluster.
struct KnownRoutes {
  std::shared_ptr<const routing::Snapshot> snapshot;  ///< Never null.
  std::shared_ptr<const std::vector<controller::Diagnostic>> diagnostics;
  controller::Store store;
  controller::TranslateOptions options;
};

/// Reads the manifests, or everything from the cluster once. Nothing is written and nothing served.
/// Broken documents are told on standard error. kTimeout when the cluster does not answer within
/// `at_most`.
Result<KnownRoutes> read_known_routes(
    const controller::ControllerOptions& options, std::chrono::seconds at_most
);

}  // namespace cppx::app
