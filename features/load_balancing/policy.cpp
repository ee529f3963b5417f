#include "features/load_balancing/policy.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "routing/balance/balance_policy.h"

namespace cppx::features {

using routing::BalanceAlgorithm;

std::string LoadBalancingPolicy::describe() const {
  std::string out(to_string(value.algorithm));
  if (!value.hash.empty()) out += fmt::format(" hash={}", value.hash.text());
  if (value.subset_size != 0) out += fmt::format(" subset={}", value.subset_size);
  return out;
}

std::optional<BalanceAlgorithm> parse_balance_algorithm(std::string_view text) {
  for (const auto algorithm :
       {BalanceAlgorithm::kRoundRobin, BalanceAlgorithm::kLeastRequest, BalanceAlgorithm::kEwma})
    if (text == to_string(algorithm)) return algorithm;
  return std::nullopt;
}

std::string_view to_string(BalanceAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case BalanceAlgorithm::kRoundRobin:
      return "round_robin";
    case BalanceAlgorithm::kLeastRequest:
      return "least_request";
    case BalanceAlgorithm::kEwma:
      return "ewma";
  }
  return "unknown";
}

}  // namespace cppx::features
