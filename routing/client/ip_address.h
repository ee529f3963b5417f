#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cppx::routing {

/// An IP address without a port. IPv4 is held IPv4-mapped (RFC 4291 2.5.5.2), so that a client that
/// came by IPv4 to a socket for both is the same client.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  /// "192.0.2.1" or "2001:db8::1", no brackets, no zone; nothing if it is not one.
  static std::optional<IpAddress> parse(std::string_view literal) noexcept;
  static IpAddress from_v4(std::span<const std::uint8_t, 4> address) noexcept;

  [[nodiscard]] bool is_v4() const noexcept;
  /// The last four bytes: the address itself if is_v4().
  [[nodiscard]] std::span<const std::uint8_t, 4> v4() const noexcept {
    return std::span(bytes).last<4>();
  }

  static constexpr std::size_t kMaxText = 45;  ///< "0000:...:255.255.255.255"
  /// Writes the usual text, IPv4 in dotted form; returns its size, 0 if `out` is too small.
  [[nodiscard]] std::size_t format(std::span<char> out) const noexcept;

  auto operator<=>(const IpAddress&) const = default;
};

}  // namespace cppx::routing
