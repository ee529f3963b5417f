#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace cppx::tls {

/// Bytes that wait to go on, first come first: as much memory as they need, none when there are
/// none.
class KeptBytes {
 public:
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] std::span<const unsigned char> bytes() const noexcept {
    return {octets_.get() + begin_, size()};
  }

  /// Instead of what there was, of which `bytes` must not be a part. False when out of memory.
  [[nodiscard]] bool assign(std::span<const unsigned char> bytes) noexcept {
    reset();
    if (bytes.empty()) return true;
    octets_.reset(new (std::nothrow) unsigned char[bytes.size()]);
    if (!octets_) return false;
    std::memcpy(octets_.get(), bytes.data(), bytes.size());
    end_ = static_cast<std::uint32_t>(bytes.size());
    return true;
  }
  /// The first `count`, or as many as there are, to `into`, which has room for them; how many.
  std::size_t take(unsigned char* into, std::size_t count) noexcept {
    count = std::min(count, size());
    if (count != 0) std::memcpy(into, octets_.get() + begin_, count);
    drop(count);
    return count;
  }
  void drop(std::size_t count) noexcept {
    begin_ += static_cast<std::uint32_t>(count);
    if (empty()) reset();
  }
  void reset() noexcept {
    octets_.reset();
    begin_ = end_ = 0;
  }

 private:
  std::unique_ptr<unsigned char[]> octets_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
};

}  // namespace cppx::tls
