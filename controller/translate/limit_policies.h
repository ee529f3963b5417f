#pragma once

#include "controller/translate/limit_annotations.h"
#include "controller/translate/policy_cache.h"
#include "controller/translate/proxy_settings.h"
#include "features/rate_limit/policy.h"
#include "routing/policy.h"

namespace cppx::controller {

/// Makes the policies of the annotations about limits; a route without a limit gets none.
class LimitPolicyMaker {
 public:
  void begin() { limits_.drop_unused(); }

  void add(
      const LimitAnnotations& annotations, const GlobalSettings& settings, routing::PolicySet& out
  );

 private:
  PolicyCache<features::RateLimitPolicy> limits_;
};

}  // namespace cppx::controller
