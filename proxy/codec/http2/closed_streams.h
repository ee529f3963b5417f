#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace cppx::proxy::http2 {

/// What a server remembers of streams that are over, to tell frames that may still be on their way
/// from those that no client sends (RFC 9113 5.1, 5.1.1). nghttp2 ignores them all. Bounded: of
/// old streams it is only known that they are old.
class ClosedStreams {
 public:
  enum class Verdict : std::uint8_t {
    kExpected,     ///< New, or reset by us, and the client may not know yet.
    kClosed,       ///< STREAM_CLOSED: the client has ended it itself.
    kNeverOpened,  ///< PROTOCOL_ERROR: lower than one that it has opened since.
  };

  /// A frame that may open a stream, or belong to one, has come for `id`, which is not open.
  Verdict judge(std::int32_t id, bool opens) noexcept {
    if (id > last_) {
      if (opens) {
        last_ = id;
        opened_.push(id);
      }
      return Verdict::kExpected;
    }
    if (reset_.contains(id)) return Verdict::kExpected;
    return opened_.contains(id) ? Verdict::kClosed : Verdict::kNeverOpened;
  }

  /// We have sent RST_STREAM.
  void reset(std::int32_t id) noexcept { reset_.push(id); }

 private:
  template <std::size_t kSize>
  class Ring {
   public:
    void push(std::int32_t id) noexcept { ids_[next_++ % kSize] = id; }
    [[nodiscard]] bool contains(std::int32_t id) const noexcept {
      return std::ranges::find(ids_, id) != ids_.end();
    }

   private:
    std::array<std::int32_t, kSize> ids_{};
    std::size_t next_ = 0;
  };

  std::int32_t last_ = 0;
  Ring<64> opened_;
  Ring<256> reset_;
};

}  // namespace cppx::proxy::http2
