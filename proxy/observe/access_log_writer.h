#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "proxy/observe/log_destination.h"
#include "proxy/observe/log_ring.h"

namespace cppx::proxy {

/// Takes the lines of all workers to where the access log goes, on a thread of its own, so that no
/// worker ever waits for a disk or a reader. A destination that cannot be written to costs lines,
/// which are counted, and nothing else.
class AccessLogWriter {
 public:
  AccessLogWriter();
  AccessLogWriter(const AccessLogWriter&) = delete;
  AccessLogWriter& operator=(const AccessLogWriter&) = delete;
  ~AccessLogWriter();  ///< Stops.

  /// Before start(): the ring of one more worker.
  LogRing& add_ring();
  /// Errors: out of descriptors.
  Result<void> start();
  /// Writes what is in the rings, for a time if nobody reads it, and ends the thread. The workers
  /// have ended.
  void stop();

  // From any thread.
  /// Where lines go from now on; opened at once.
  void set_destination(std::string_view path);
  /// Opens the file once more, for one that was renamed. Without it that is seen within a second.
  void reopen() noexcept;
  /// After a push: wakes the thread if it sleeps. It does not while there is traffic.
  void notify() noexcept {
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false)) wake();
  }
  /// Lines that came out of a ring and could not be written.
  [[nodiscard]] std::uint64_t lines_dropped() const noexcept { return dropped_.load(); }

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void wake() noexcept;
  /// Waits for a wake(), for `descriptor` to be writable (-1: none), or until `longest` has passed
  /// (negative: for ever). Whether it was woken.
  bool wait(int descriptor, std::chrono::milliseconds longest) noexcept;
  void take_orders();
  /// Asked after lines were taken from a ring: whether an order waits that may be older than they.
  [[nodiscard]] bool has_orders() noexcept;
  void try_open(bool report_again);
  [[nodiscard]] bool pending() const noexcept;
  bool drain();
  using Pieces = std::array<std::string_view, 2>;
  void drain(LogRing& ring);
  bool wait_for_reader();
  void discard(LogRing& ring, const Pieces& pieces);
  bool destination_ready();
  void failed(std::string_view what);

  std::vector<std::unique_ptr<LogRing>> rings_;
  std::thread thread_;
  int wake_fd_ = -1;
  alignas(64) std::atomic<bool> asleep_{false};
  alignas(64) std::atomic<bool> stopping_{false};
  std::atomic<bool> reopen_{false};
  std::atomic<std::uint64_t> dropped_{0};
  // Not a post: the thread has no loop to post to, only something to wait on. Guards wanted_.
  std::mutex orders_;
  std::string wanted_;

  // Of the thread.
  std::string path_;
  LogDestination destination_;
  bool open_failed_ = false;  // the last time
  bool failing_ = false;      // and that has been said
  std::uint64_t dropped_before_ = 0;
  std::size_t first_ring_ = 0;  // the one whose line is not whole yet
  Clock::time_point next_look_;
  Clock::time_point stop_until_;
};

}  // namespace cppx::proxy
