#include "features/features.h"
#include "features/https_redirect/filter.h"
#include "features/https_redirect/policy.h"
#include "routing/match/routing_table.h"
#include "routing/policy.h"

namespace cppx::features {

Respond run_request_filters(const routing::RouteMatch& match, const RequestView& request) {
  const routing::PolicySet& policies = match.route->policies;
  if (policies.empty()) return {};
  if (const auto* redirect = policies.find<HttpsRedirectPolicy>()) {
    Respond answer = redirect_to_https(*redirect, request);
    if (answer.status != 0) return answer;
  }
  return {};
}

}  // namespace cppx::features
