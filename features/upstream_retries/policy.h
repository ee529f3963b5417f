#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "routing/policy.h"
#include "routing/upstream/retry_policy.h"

namespace cppx::features {

/// Retries of a route in place of those for all; the whole of it, as it is in force.
struct UpstreamRetriesPolicy final : routing::Policy {
  static constexpr routing::Feature kFeature = routing::Feature::kUpstreamRetries;

  explicit UpstreamRetriesPolicy(const routing::RetryPolicy& retry) : value(retry) {}
  [[nodiscard]] std::string describe() const override;

  routing::RetryPolicy value;
};

/// The words of proxy-next-upstream ("error timeout http_502 non_idempotent"); "off" among them
/// takes the others back. Nothing when a word is not known or there is none.
std::optional<routing::RetryConditions> parse_retry_conditions(std::string_view text);

/// The words again, in their one order; "off" for none.
std::string to_string(const routing::RetryConditions& conditions);

}  // namespace cppx::features
