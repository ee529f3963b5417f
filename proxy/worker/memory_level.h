#pragma once

#include <cstdint>

namespace cppx::proxy {

/// How near the process is to its memory limit.
enum class MemoryLevel : std::uint8_t {
  kNormal,
  /// What is kept for later use and free memory go back to the system; nothing is refused.
  kHigh,
  /// Nothing new is begun: no connection is accepted, none begins with TLS or HTTP/2, requests are
  /// answered 503, idle connections and the sessions of TLS go. What is in progress goes on.
  kShort,
  /// Also the connections that came last are cut, some at a time, until there is room.
  kExhausted,
};

/// The level for `used` of `limit` bytes; one that has been reached is left a little lower, so that
/// it does not flap.
MemoryLevel memory_level(std::uint64_t used, std::uint64_t limit, MemoryLevel before) noexcept;

}  // namespace cppx::proxy
