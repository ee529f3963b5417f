#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cppx::proxy {

/// Makes X-Request-ID values: 32 lower-case hexadecimal digits. Unique, not secret (xoshiro256**,
/// seeded from the kernel).
class RequestIds {
 public:
  RequestIds();
  /// Good until the next call.
  std::string_view next() noexcept;
  /// A Sec-WebSocket-Key (RFC 6455 4.1): 16 random bytes in base64. Good until the next call.
  std::string_view next_websocket_key() noexcept;

 private:
  std::uint64_t random() noexcept;
  std::array<std::uint64_t, 4> state_{};
  std::array<char, 32> text_{};
};

}  // namespace cppx::proxy
