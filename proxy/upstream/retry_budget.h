#pragma once

#include <chrono>
#include <cstdint>

#include "routing/upstream/retry_policy.h"

namespace cppx::proxy {

/// Keeps retries a share of the traffic, so that backends in trouble do not get a multiple of it.
/// Requests earn a part of a retry each, time earns the least that is always allowed, and what was
/// earned fades within seconds. Of one worker. A request costs an increment; the clock is read only
/// when somebody wants to retry.
class RetryBudget {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RetryBudget(Clock::time_point now) noexcept : settled_(now) {}

  void on_request() noexcept { ++requests_; }

  /// Whether one retry may be made now; if so it is paid for.
  bool spend(const routing::RetryBudgetSettings& settings, Clock::time_point now) noexcept;

  /// Retries that were asked for in vain.
  [[nodiscard]] std::uint64_t denied() const noexcept { return denied_; }

 private:
  std::uint64_t denied_ = 0;
  double saved_ = -1;           // retries; negative: nobody has asked yet
  std::uint64_t requests_ = 0;  // since settled_
  Clock::time_point settled_;
};

}  // namespace cppx::proxy
