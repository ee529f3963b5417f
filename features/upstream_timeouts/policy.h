#pragma once

#include <string>

#include "routing/policy.h"
#include "routing/upstream/upstream_timeouts.h"

namespace cppx::features {

/// Timeouts of a route in place of those for all; all three of them, as they are in force.
struct UpstreamTimeoutsPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kUpstreamTimeouts;

  explicit UpstreamTimeoutsPolicy(const routing::UpstreamTimeouts& timeouts) : value(timeouts) {}
  [[nodiscard]] std::string describe() const override;

  routing::UpstreamTimeouts value;
};

}  // namespace cppx::features
