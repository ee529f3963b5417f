#pragma once

#include <cstdint>
#include <string>

#include "routing/policy.h"

namespace cppx::features {

/// Connections to the backends of the route begin with a PROXY header for the request's client, and
/// carry requests of that one client only.
struct UpstreamProxyProtocolPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kUpstreamProxyProtocol;

  explicit UpstreamProxyProtocolPolicy(std::uint8_t version) : value(version) {}
  [[nodiscard]] std::string describe() const override { return value == 1 ? "v1" : "v2"; }

  std::uint8_t value;  ///< Of the header: 1 or 2.
};

}  // namespace cppx::features
