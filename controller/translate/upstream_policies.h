#pragma once

#include <string_view>

#include "controller/translate/annotations.h"
#include "controller/translate/policy_cache.h"
#include "features/load_balancing/policy.h"
#include "features/session_affinity/policy.h"
#include "features/upstream_retries/policy.h"
#include "features/upstream_timeouts/policy.h"
#include "routing/policy.h"
#include "routing/settings.h"

namespace cppx::controller {

/// Makes the policies of the annotations about backends. A route whose values are those for all
/// gets none.
class UpstreamPolicyMaker {
 public:
  void begin() {
    timeouts_.drop_unused();
    retries_.drop_unused();
    balancing_.drop_unused();
    sessions_.drop_unused();
  }

  /// `path` is that of the route.
  void add(
      const IngressAnnotations& annotations, const routing::ProxySettings& settings,
      std::string_view path, routing::PolicySet& out
  );

 private:
  PolicyCache<features::UpstreamTimeoutsPolicy> timeouts_;
  PolicyCache<features::UpstreamRetriesPolicy> retries_;
  PolicyCache<features::LoadBalancingPolicy> balancing_;
  PolicyCache<features::SessionAffinityPolicy> sessions_;
};

}  // namespace cppx::controller
