#pragma once

#include "controller/translate/policy_cache.h"
#include "controller/translate/upstream_annotations.h"
#include "features/load_balancing/policy.h"
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
  }

  void add(
      const UpstreamAnnotations& annotations, const routing::ProxySettings& settings,
      routing::PolicySet& out
  );

 private:
  PolicyCache<features::UpstreamTimeoutsPolicy> timeouts_;
  PolicyCache<features::UpstreamRetriesPolicy> retries_;
  PolicyCache<features::LoadBalancingPolicy> balancing_;
};

}  // namespace cppx::controller
