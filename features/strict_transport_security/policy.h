#pragma once

#include <string>

#include "routing/policy.h"

namespace cppx::features {

/// Strict-Transport-Security (RFC 6797) on responses over our TLS; replaces the backend's.
struct StrictTransportSecurityPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kStrictTransportSecurity;

  std::string value = "max-age=31536000; includeSubDomains";
};

}  // namespace cppx::features
