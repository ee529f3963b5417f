#pragma once

#include <chrono>
#include <ctime>

namespace cppx {

/// A steady clock that goes on while the machine sleeps (CLOCK_BOOTTIME): for time limits that
/// others hold us to, who do not sleep. Never moved by the wall clock.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return time_point(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
  }
};

}  // namespace cppx
