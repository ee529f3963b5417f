#pragma once

#include <chrono>
#include <ctime>

namespace cppx {

/// The time as of the kernel's last tick, up to 10 ms ago: read from memory, where a precise clock
/// costs some tens of nanoseconds.
inline std::chrono::steady_clock::time_point coarse_steady_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::steady_clock::time_point(
      std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec)
  );
}

/// Seconds of the wall clock, likewise.
inline std::time_t coarse_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

}  // namespace cppx
