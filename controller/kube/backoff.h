#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace cppx::controller {

/// Waiting times that double from `least` to `most`, each shortened by up to a half at random, so
/// that many clients do not come back in step.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration least, Duration most, std::uint32_t seed);

  [[nodiscard]] Duration next();
  void reset() noexcept;

 private:
  Duration least_;
  Duration most_;
  Duration current_;
  std::minstd_rand random_;
};

}  // namespace cppx::controller
