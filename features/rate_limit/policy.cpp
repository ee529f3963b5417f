#include "features/rate_limit/policy.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace cppx::features {

std::string RateLimitPolicy::describe() const {
  std::string out;
  const auto add = [&](std::string_view name, std::uint64_t number) {
    if (number != 0) out += fmt::format("{}{}={}", out.empty() ? "" : ",", name, number);
  };
  add("connections", value.connections);
  add("rps", value.per_second);
  add("rpm", value.per_minute);
  add("burst", value.per_second != 0 || value.per_minute != 0 ? value.burst_multiplier : 0);
  add("exempt", value.exempt.size());
  if (value.rate_status != 503) add("rate-status", value.rate_status);
  if (value.connections_status != 503) add("connections-status", value.connections_status);
  return out;
}

}  // namespace cppx::features
