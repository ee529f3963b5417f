#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

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

  /// `most_streams`: so many are open at once, and may be reset in one round trip.
  explicit ClosedStreams(std::uint32_t most_streams) noexcept
      : reset_(std::clamp(std::size_t{most_streams}, kFewestReset, kMostReset)) {}

  /// A frame that may open a stream, or belong to one, has come for `id`, which is not open.
  Verdict judge(std::int32_t id, bool opens) {
    if (id > last_) {
      if (opens) last_ = offered_ = id;
      return Verdict::kExpected;
    }
    if (reset_.contains(id)) return Verdict::kExpected;
    if (opened_.contains(id)) return Verdict::kClosed;
    return opens || !reset_.has_forgotten() ? Verdict::kNeverOpened : Verdict::kExpected;
  }
  [[nodiscard]] std::int32_t last() const noexcept { return last_; }

  /// The stream that judge() was asked for last is open now.
  void accepted(std::int32_t id) {
    offered_ = 0;
    opened_.push(id);
  }
  /// To be asked before the next frame. Whether the one before was to open a stream that we did not
  /// accept: there are too many. Its RST_STREAM may not have been sent yet, and what follows on it
  /// is expected.
  bool take_refusal() {
    if (offered_ == 0) return false;
    reset(std::exchange(offered_, 0));
    return true;
  }

  /// We have sent RST_STREAM.
  void reset(std::int32_t id) {
    if (!reset_.contains(id)) reset_.push(id);
  }

 private:
  /// The last `size` of them; holds no memory while there were none.
  class Ring {
   public:
    explicit Ring(std::size_t size) noexcept : size_(size) {}
    void push(std::int32_t id) {
      if (ids_.empty()) ids_.resize(size_);
      ids_[pushed_++ % size_] = id;
    }
    [[nodiscard]] bool contains(std::int32_t id) const noexcept {
      return std::ranges::find(ids_, id) != ids_.end();
    }
    [[nodiscard]] bool has_forgotten() const noexcept { return pushed_ > size_; }

   private:
    std::size_t size_;
    std::size_t pushed_ = 0;
    std::vector<std::int32_t> ids_;
  };

  static constexpr std::size_t kOpened = 64;
  static constexpr std::size_t kFewestReset = 256;
  // Each frame of a closed stream is looked up in all of them.
  static constexpr std::size_t kMostReset = 4096;

  std::int32_t last_ = 0;
  std::int32_t offered_ = 0;  // was to be opened, and is not yet
  Ring opened_{kOpened};
  Ring reset_;
};

}  // namespace cppx::proxy::http2
