#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>

namespace cppx::bench {

/// Keeps the compiler from leaving out what makes `value`.
template <class T>
void keep(const T& value) noexcept {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Nanoseconds of one of the `count` steps of `run`, the best of several runs of it.
template <class Run>
double nanoseconds_per_step(std::size_t count, const Run& run) {
  constexpr int kRuns = 5;
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / static_cast<double>(count));
  }
  return best;
}

}  // namespace cppx::bench
