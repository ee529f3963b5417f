#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cppx::proxy {

/// The next piece of a message's body on its way through, without framing.
struct BodyPart {
  enum class Status : std::uint8_t {
    kMore,     ///< There is more at hand: call again.
    kWait,     ///< All that has come; the body goes on.
    kEnd,      ///< With these pieces, and `trailers`, the message is complete.
    kBad,      ///< Malformed framing, or trailers over their limit.
    kTimeout,  ///< The peer stopped sending.
    kGone,     ///< The peer is gone, or reading was cancelled, before the end.
  };

  Status status = Status::kWait;
  std::span<const iovec> pieces{};  ///< Good until the next part is asked for.
  std::size_t bytes = 0;
  /// Fields that may be passed on, as "Name: value\r\n" each; good until the message ends.
  std::string_view trailers{};

  [[nodiscard]] bool end() const noexcept { return status == Status::kEnd; }
  [[nodiscard]] bool failed() const noexcept { return status > Status::kEnd; }
};

}  // namespace cppx::proxy
