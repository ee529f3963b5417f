#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cppx::proxy::http2 {

/// Finds the frames in received bytes without looking into them: nghttp2 keeps quiet about those it
/// ignores, and they have to be counted too.
class FrameMeter {
 public:
  struct Part {
    std::size_t bytes = 0;  ///< To be passed on; not beyond the end of a frame.
    bool begins = false;    ///< The head of a frame is complete with these.
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::int32_t stream = 0;
    std::uint32_t payload_bytes = 0;
  };

  /// `preface_bytes` come before the first frame.
  explicit FrameMeter(std::size_t preface_bytes) noexcept : left_(preface_bytes) {}

  /// The next part of `bytes`, which is not empty.
  Part next(std::span<const char> bytes) noexcept;

 private:
  static constexpr std::size_t kHeadBytes = 9;  // RFC 9113 4.1

  std::size_t left_;  // of the preface or a frame's payload
  std::array<unsigned char, kHeadBytes> head_;
  std::size_t head_bytes_ = 0;
};

}  // namespace cppx::proxy::http2
