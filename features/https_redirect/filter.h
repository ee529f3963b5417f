#pragma once

#include "features/features.h"
#include "features/https_redirect/policy.h"

namespace cppx::features {

/// What users sent by http → the policy's redirect to https://<public host><target>; one '/' at the
/// very end is cut, as ingress-nginx does, unless the policy keeps it.
Respond redirect_to_https(const HttpsRedirectPolicy& policy, const RequestView& request);

}  // namespace cppx::features
