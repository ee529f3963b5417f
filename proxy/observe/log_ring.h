#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace cppx::proxy {

/// Lines on their way from one worker, which puts them in, to the writer's thread, which takes them
/// out: bounded, without a lock, and nobody waits.
class LogRing {
 public:
  static constexpr std::size_t kUsualBytes = 256 * 1024;

  /// `bytes` is a power of two.
  explicit LogRing(std::size_t bytes = kUsualBytes)
      : memory_(std::make_unique_for_overwrite<char[]>(bytes)), mask_(bytes - 1) {}
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  /// The worker's: all of `line`, or false when there is no room for it.
  bool push(std::string_view line) noexcept;

  /// The writer's: what is in, whole lines, the second piece after the first. Good until consume().
  [[nodiscard]] std::array<std::string_view, 2> pending() const noexcept;
  void consume(std::size_t bytes) noexcept;
  [[nodiscard]] bool empty() const noexcept;

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t mask_;
  // Each on a cache line of the thread that writes it.
  alignas(64) std::atomic<std::uint64_t> end_{0};
  std::uint64_t begin_seen_ = 0;  // at least so far it has been emptied
  alignas(64) std::atomic<std::uint64_t> begin_{0};
};

}  // namespace cppx::proxy
