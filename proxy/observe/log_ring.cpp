#include "proxy/observe/log_ring.h"

#include <algorithm>
#include <cstring>

namespace cppx::proxy {

bool LogRing::push(std::string_view line) noexcept {
  const std::size_t capacity = mask_ + 1;
  const std::uint64_t end = end_.load(std::memory_order_relaxed);
  if (capacity - (end - begin_seen_) < line.size()) {
    begin_seen_ = begin_.load(std::memory_order_acquire);
    if (capacity - (end - begin_seen_) < line.size()) return false;
  }
  const std::size_t at = end & mask_;
  const std::size_t first = std::min(line.size(), capacity - at);
  std::memcpy(memory_.get() + at, line.data(), first);
  std::memcpy(memory_.get(), line.data() + first, line.size() - first);
  // In one order with the look at whether the writer sleeps: one of the two sees the other.
  end_.store(end + line.size(), std::memory_order_seq_cst);
  return true;
}

std::array<std::string_view, 2> LogRing::pending() const noexcept {
  const std::uint64_t begin = begin_.load(std::memory_order_relaxed);
  const std::uint64_t size = end_.load(std::memory_order_acquire) - begin;
  const std::size_t at = begin & mask_;
  const std::size_t first = std::min<std::size_t>(size, mask_ + 1 - at);
  return {
      std::string_view(memory_.get() + at, first), std::string_view(memory_.get(), size - first)
  };
}

void LogRing::consume(std::size_t bytes) noexcept {
  begin_.store(begin_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

bool LogRing::empty() const noexcept {
  return end_.load(std::memory_order_seq_cst) == begin_.load(std::memory_order_relaxed);
}

}  // namespace cppx::proxy
