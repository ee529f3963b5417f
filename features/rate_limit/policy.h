#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "routing/client/ip_ranges.h"
#include "routing/policy.h"

namespace cppx::features {

/// How much one client may ask of the routes of one Ingress. Clients are told apart by their whole
/// address, IPv6 as well.
struct RateLimits {
  std::uint64_t zone = 0;         ///< What is counted together: hash64("namespace/ingress").
  std::uint32_t connections = 0;  ///< Requests at the same time; 0: no limit, as for the others.
  std::uint32_t per_second = 0;
  std::uint32_t per_minute = 0;
  std::uint32_t burst_multiplier = 5;
  std::uint16_t rate_status = 503;
  std::uint16_t connections_status = 503;
  routing::IpRanges exempt{};

  auto operator<=>(const RateLimits&) const = default;
};

struct RateLimitPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kRateLimit;

  explicit RateLimitPolicy(RateLimits given) : value(std::move(given)) {}
  [[nodiscard]] std::string describe() const override;

  RateLimits value;
};

}  // namespace cppx::features
