#pragma once

#include <memory>
#include <vector>

#include "app/admin_server.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"

namespace cppx::app {

/// What the running process knows of its routes.
struct RoutesInForce {
  std::shared_ptr<const routing::Snapshot> snapshot;  ///< Null before the first.
  const std::vector<controller::Diagnostic>& diagnostics;
  const controller::TranslateOptions& options;
};

/// Answers /explain?url=... and /routes as JSON, for `cppx explain --from` and `cppx routes
/// --from`. To this machine only: routes and addresses of all namespaces are not for everybody who
/// can reach the port. Holds no keys and no contents of Secrets.
AdminReply answer_about_routes(const AdminRequest& request, const RoutesInForce& routes);

}  // namespace cppx::app
