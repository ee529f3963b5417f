#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "proxy/observe/access_facts.h"
#include "proxy/observe/access_log_writer.h"
#include "proxy/observe/log_clock.h"
#include "proxy/observe/log_ring.h"
#include "routing/log/access_log_settings.h"

namespace cppx::proxy {

/// The access log as one worker has it: makes the lines and hands them over, and never waits.
///
///   AccessFacts → access_line() → LogRing → AccessLogWriter → LogDestination
class AccessLog {
 public:
  /// Longer lines are cut.
  static constexpr std::size_t kLongestLine = 64 * 1024;

  explicit AccessLog(AccessLogWriter& writer);

  /// `now` is when the request ended.
  void write(
      const routing::AccessLogSettings& settings, const AccessFacts& facts,
      std::chrono::steady_clock::time_point now
  );
  /// For want of room in the ring.
  [[nodiscard]] std::uint64_t lines_dropped() const noexcept { return dropped_; }

 private:
  AccessLogWriter& writer_;
  LogRing& ring_;
  LogClock clock_;
  std::unique_ptr<std::array<char, kLongestLine>> line_;
  std::uint64_t dropped_ = 0;
};

}  // namespace cppx::proxy
