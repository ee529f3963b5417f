#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cppx::routing {

/// Address and port of one backend. IPv4 addresses are held IPv4-mapped (RFC 4291 2.5.5.2), so that
/// equality is that of the bytes.
struct EndpointAddress {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  /// From a literal ("10.0.0.1", "fd00::1", no brackets, no zone); nothing if it is not one.
  static std::optional<EndpointAddress> parse(std::string_view ip_literal, std::uint16_t port);

  [[nodiscard]] bool is_v4() const noexcept;
  /// "10.0.0.1:80" or "[fd00::1]:80".
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const EndpointAddress&) const = default;
};

struct EndpointAddressHash {
  std::size_t operator()(const EndpointAddress& address) const noexcept;
};

}  // namespace cppx::routing
