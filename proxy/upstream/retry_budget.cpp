#include "proxy/upstream/retry_budget.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "routing/upstream/retry_policy.h"

namespace cppx::proxy {
namespace {

// How long something earned lasts.
constexpr double kMemorySeconds = 10;

}  // namespace

bool RetryBudget::spend(
    const routing::RetryBudgetSettings& settings, Clock::time_point now
) noexcept {
  const double elapsed = std::max(0.0, std::chrono::duration<double>(now - settled_).count());
  settled_ = now;
  // Both incomes fade at the same rate: over a long time, that of the last kMemorySeconds is left.
  const double faded = std::exp(-elapsed / kMemorySeconds);
  const double lasting_seconds = kMemorySeconds * (1 - faded);
  const double least = settings.least_per_second;
  const double per_request = settings.percent / 100.0;
  // Requests of a moment count whole; spread over a long time only the late ones do.
  const double counted = elapsed > 0 ? lasting_seconds / elapsed : 1.0;
  if (saved_ < 0) saved_ = least * kMemorySeconds;
  saved_ = saved_ * faded + least * lasting_seconds +
           static_cast<double>(requests_) * per_request * counted;
  requests_ = 0;
  if (saved_ < 1) {
    ++denied_;
    return false;
  }
  saved_ -= 1;
  return true;
}

}  // namespace cppx::proxy
