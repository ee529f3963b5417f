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

  /// `tell` hears of a level that is reached, and again while memory is short.
  MemoryGuard(boost::asio::io_context& io, Tell tell);

  /// `limit_bytes`; 0: most of what the cgroup may use, and nothing is watched where it has no
  /// limit.
  void start(std::uint64_t limit_bytes);
  void stop() noexcept;
  /// From any thread: looks now, not only when it is time.
  void look_soon();
  /// 0: none.
  [[nodiscard]] std::uint64_t limit_bytes() const noexcept { return limit_bytes_; }

 private:
  void look();
  void wait();
  void on_level(proxy::MemoryLevel level, std::uint64_t used);

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  Tell tell_;
  std::uint64_t limit_bytes_ = 0;  // before any thread asks to look
  std::atomic<bool> looking_soon_{false};
  proxy::MemoryLevel level_ = proxy::MemoryLevel::kNormal;
};

}  // namespace cppx::app
