#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "proxy/worker/memory_level.h"

namespace cppx::app {

/// Watches the resident memory of the process against its limit. Lives on the main loop.
class MemoryGuard {
 public:
  using Tell = std::function<void(proxy::MemoryLevel)>;

  /// `limit_bytes`; 0: most of what the cgroup may use, and nothing is watched where it has no
  /// limit. `tell` hears of a level that is reached, and again while memory is short.
  MemoryGuard(boost::asio::io_context& io, std::uint64_t limit_bytes, Tell tell);

  void start();
  void stop() noexcept;
  /// From any thread: the level as it is now. The caller may go by it at once; `tell` follows.
  proxy::MemoryLevel level_now();
  /// 0: none.
  [[nodiscard]] std::uint64_t limit_bytes() const noexcept { return limit_bytes_; }
  /// For how long memory has been short without a break; 0: it is not.
  [[nodiscard]] std::chrono::steady_clock::duration short_for() const noexcept;

 private:
  void look();
  void look_soon();
  void wait();
  void on_level(proxy::MemoryLevel level, std::uint64_t used);

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  const std::uint64_t limit_bytes_;
  Tell tell_;
  std::atomic<bool> looking_soon_{false};
  std::atomic<bool> seen_short_{false};  // by level_now(), since the last look
  proxy::MemoryLevel level_ = proxy::MemoryLevel::kNormal;
  std::chrono::steady_clock::time_point given_back_at_;  // when kept memory went back last
  std::chrono::steady_clock::time_point short_since_;    // while it is
};

}  // namespace cppx::app
