#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "routing/balance/balance_policy.h"
#include "routing/policy.h"

namespace cppx::features {

/// How the requests of a route are shared out, in place of the way for all.
struct LoadBalancingPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kLoadBalancing;

  explicit LoadBalancingPolicy(routing::BalancePolicy policy) : value(std::move(policy)) {}
  [[nodiscard]] std::string describe() const override;

  routing::BalancePolicy value;
};

/// A value of load-balance: "round_robin", "ewma", "least_request".
std::optional<routing::BalanceAlgorithm> parse_balance_algorithm(std::string_view text);

std::string_view to_string(routing::BalanceAlgorithm algorithm) noexcept;

}  // namespace cppx::features
