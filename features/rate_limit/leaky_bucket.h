#pragma once

#include <algorithm>
#include <cstdint>

namespace cppx::features {

/// A rate as nginx's limit_req with nodelay has it: one request each `interval_us`, and `burst`
/// more at any time.
struct BucketRate {
  std::uint64_t interval_us = 1;
  std::uint64_t burst = 0;

  /// `requests` in each `period_us`; both more than 0.
  static constexpr BucketRate of(
      std::uint64_t period_us, std::uint64_t requests, std::uint64_t multiplier
  ) noexcept {
    return {
        .interval_us = std::max<std::uint64_t>((period_us + requests / 2) / requests, 1),
        .burst = requests * multiplier
    };
  }
  /// No bucket is ever further ahead.
  [[nodiscard]] constexpr std::uint64_t most_ahead_us() const noexcept {
    return (burst + 1) * interval_us;
  }
};

struct BucketStep {
  bool allowed = false;
  std::uint64_t ahead_us = 0;  ///< Of the bucket afterwards.
};

/// One request at a bucket. Its state is one number: by how much the requests that were let through
/// are ahead of the rate, which is the time until the bucket is empty again.
constexpr BucketStep step_bucket(const BucketRate& rate, std::uint64_t ahead_us) noexcept {
  if (ahead_us > rate.burst * rate.interval_us) return {.allowed = false, .ahead_us = ahead_us};
  return {.allowed = true, .ahead_us = ahead_us + rate.interval_us};
}

}  // namespace cppx::features
