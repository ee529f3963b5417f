#pragma once

#include <cstddef>
#include <functional>
#include <utility>

namespace cppx::proxy {

/// What one worker has asked the heap for, as far as it is known: tells each time that it is
/// another kStep, which is when memory may have become short. What is given back does not count: it
/// may tell too often.
class MemoryGrowth {
 public:
  static constexpr std::size_t kStep = std::size_t{1} << 20;

  // What things take that are no buffers, as measured with some thousands of each.
  static constexpr std::size_t kConnection = 1024;
  static constexpr std::size_t kHandshake = 43 * 1024;  ///< OpenSSL's objects, while it lasts.
  static constexpr std::size_t kHttp2Session = 16 * 1024;
  static constexpr std::size_t kStream = 10 * 1024;

  explicit MemoryGrowth(std::function<void()> tell) : tell_(std::move(tell)) {}
  MemoryGrowth(const MemoryGrowth&) = delete;
  MemoryGrowth& operator=(const MemoryGrowth&) = delete;

  void add(std::size_t bytes) {
    grown_ += bytes;
    if (grown_ < kStep || !tell_) return;
    grown_ = 0;
    tell_();
  }

 private:
  std::function<void()> tell_;
  std::size_t grown_ = 0;  // since it told last
};

}  // namespace cppx::proxy
