#include "proxy/codec/http2/flood_guard.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace cppx::proxy::http2 {

void FloodGuard::advance(TimePoint now) noexcept {
  using std::chrono::seconds;
  if (filled_ == TimePoint{}) filled_ = now;
  // Whole seconds: the rest stays for the next call.
  const auto passed = std::chrono::duration_cast<seconds>(now - filled_);
  if (passed <= seconds::zero()) return;
  filled_ += passed;
  const auto count = static_cast<std::uint64_t>(passed.count());
  put(overhead_, kOverheadBurst, count * kOverheadPerSecond);
  put(resets_, kResetBurst, count * kResetsPerSecond);
}

bool FloodGuard::window_update() noexcept {
  if (unacknowledged_bytes_ < kBytesPerUpdate) return overhead();
  unacknowledged_bytes_ -= kBytesPerUpdate;
  return true;
}

bool FloodGuard::take(std::uint32_t& account, std::uint32_t cost) noexcept {
  if (account < cost) return false;
  account -= cost;
  return true;
}

void FloodGuard::put(std::uint32_t& account, std::uint32_t most, std::uint64_t credit) noexcept {
  account = static_cast<std::uint32_t>(std::min<std::uint64_t>(most, account + credit));
}

}  // namespace cppx::proxy::http2
