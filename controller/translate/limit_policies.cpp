#include "controller/translate/limit_policies.h"

#include "controller/translate/limit_annotations.h"
#include "controller/translate/proxy_settings.h"
#include "features/rate_limit/policy.h"
#include "routing/policy.h"

namespace cppx::controller {

void LimitPolicyMaker::add(
    const LimitAnnotations& annotations, const GlobalSettings& settings, routing::PolicySet& out
) {
  features::RateLimits limits{
      .zone = annotations.zone,
      .connections = annotations.connections.value_or(0),
      .per_second = annotations.per_second.value_or(0),
      .per_minute = annotations.per_minute.value_or(0),
      .rate_status = settings.limit_req_status_code,
      .connections_status = settings.limit_conn_status_code,
  };
  if (limits.connections == 0 && limits.per_second == 0 && limits.per_minute == 0) return;
  limits.burst_multiplier = annotations.burst_multiplier.value_or(limits.burst_multiplier);
  if (annotations.allowlist)
    limits.exempt = *annotations.allowlist;
  else if (annotations.whitelist)
    limits.exempt = *annotations.whitelist;
  out.set(limits_.of(limits));
}

}  // namespace cppx::controller
