#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "routing/client/ip_address.h"

namespace cppx::routing {

/// Whom a connection or a request comes from, with the text made once.
class ClientAddress {
 public:
  ClientAddress() = default;
  ClientAddress(const IpAddress& ip, std::uint16_t port) noexcept
      : ip_(ip), port_(port), size_(static_cast<std::uint8_t>(ip.format(text_))) {}

  [[nodiscard]] const IpAddress& ip() const noexcept { return ip_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }  ///< 0: not known.
  /// Without port; IPv6 without brackets.
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  IpAddress ip_;
  std::uint16_t port_ = 0;
  std::array<char, IpAddress::kMaxText> text_{};  // before size_, which is found by filling it
  std::uint8_t size_ = 0;
};

}  // namespace cppx::routing
