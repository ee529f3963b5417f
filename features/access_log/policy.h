#pragma once

#include <string>

#include "routing/policy.h"

namespace cppx::features {

/// Requests of the route are not in the access log. A route without it is as AccessLogSettings say.
struct AccessLogPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kAccessLog;

  [[nodiscard]] std::string describe() const override { return "off"; }
};

}  // namespace cppx::features
