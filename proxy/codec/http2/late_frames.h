#pragma once

#include <algorithm>
#include <cstdint>

namespace cppx::proxy::http2 {

/// Pays for frames of streams that we have ended: the peer may have sent them before it could know
/// (RFC 9113 5.1, "closed"). As many as it may have sent by then, however small they are.
class LateFrames {
 public:
  /// We have ended a stream on which the peer could send `window_bytes` more.
  void expect(std::uint32_t window_bytes) noexcept {
    bytes_ = std::min(bytes_ + window_bytes, kMostBytes);
    ends_ = std::min(ends_ + kEnds, kMostEnds);
  }
  [[nodiscard]] bool none() const noexcept { return bytes_ == 0 && ends_ == 0; }
  /// DATA, with its padding.
  [[nodiscard]] bool take_data(std::uint32_t bytes) noexcept {
    if (bytes == 0 || bytes > bytes_) return false;
    bytes_ -= bytes;
    return true;
  }
  /// HEADERS, RST_STREAM, or DATA that is nothing but END_STREAM.
  [[nodiscard]] bool take_end() noexcept {
    if (ends_ == 0) return false;
    --ends_;
    return true;
  }

 private:
  // A response head, the end (trailers or END_STREAM), and a reset.
  static constexpr std::uint32_t kEnds = 3;
  static constexpr std::uint64_t kMostBytes = 1ULL << 32U;
  static constexpr std::uint32_t kMostEnds = 1U << 20U;

  std::uint64_t bytes_ = 0;
  std::uint32_t ends_ = 0;
};

}  // namespace cppx::proxy::http2
