#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace cppx::bench {

/// Keeps the compiler from leaving out what makes `value`.
template <class T>
void keep(const T& value) noexcept {
  asm volatile("" : : "g"(&value) : "memory");
}

inline double thread_cpu_nanoseconds() noexcept {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// CPU nanoseconds of a step: the median over pieces of kPiece steps, so that what else the machine
/// does shows little. `run(begin, end)` does the steps from begin to end.
template <class Run>
double nanoseconds_per_step(std::size_t steps, const Run& run) {
  constexpr std::size_t kPiece = 1000;
  std::vector<double> pieces;
  for (std::size_t begin = 0; begin + kPiece <= steps; begin += kPiece) {
    const double start = thread_cpu_nanoseconds();
    run(begin, begin + kPiece);
    pieces.push_back((thread_cpu_nanoseconds() - start) / kPiece);
  }
  const auto middle = pieces.begin() + static_cast<std::ptrdiff_t>(pieces.size() / 2);
  std::nth_element(pieces.begin(), middle, pieces.end());
  return *middle;
}

}  // namespace cppx::bench
