#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace cppx::proxy {

/// The time of day for log lines, made of the steady clock, which has been read anyway: the other
/// one, and text, are needed once a second only.
class LogClock {
 public:
  using Steady = std::chrono::steady_clock::time_point;

  /// From now on the times below are those of `now`.
  void set(Steady now) noexcept;
  /// Since 1970.
  [[nodiscard]] std::chrono::milliseconds since_epoch() const noexcept { return now_; }
  /// "28/Sep/2026:13:05:09 +0200"
  [[nodiscard]] std::string_view local() const noexcept { return {local_.data(), local_size_}; }
  /// "2026-09-28T13:05:09+02:00"
  [[nodiscard]] std::string_view iso8601() const noexcept { return {iso_.data(), iso_size_}; }

 private:
  void make_texts() noexcept;

  Steady compared_{};                   // when the two clocks were
  std::chrono::nanoseconds offset_{0};  // of the time of day to the steady clock
  std::chrono::milliseconds now_{0};
  std::int64_t second_ = -1;  // of the texts
  std::array<char, 40> local_{};
  std::array<char, 40> iso_{};
  std::size_t local_size_ = 0;
  std::size_t iso_size_ = 0;
};

}  // namespace cppx::proxy
