#pragma once

#include <cstdint>

#include "routing/policy.h"

namespace cppx::features {

/// Plain requests are sent to https. Set on the routes of hosts with TLS, or where it is forced.
struct HttpsRedirectPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kHttpsRedirect;

  std::uint16_t status = 308;
  bool preserve_trailing_slash = false;
};

}  // namespace cppx::features
