#include "routing/client/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace cppx::routing {
namespace {

constexpr std::array<std::uint8_t, 12> kIpv4MappedPrefix = {0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view literal) noexcept {
  std::array<char, kMaxText + 1> text{};  // the last byte stays NUL
  if (literal.size() >= text.size() || literal.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::ranges::copy(literal, text.begin());
  IpAddress address;
  if (::inet_pton(AF_INET6, text.data(), address.bytes.data()) == 1) return address;
  std::array<std::uint8_t, 4> v4{};
  if (::inet_pton(AF_INET, text.data(), v4.data()) != 1) return std::nullopt;
  return from_v4(v4);
}

IpAddress IpAddress::from_v4(std::span<const std::uint8_t, 4> address) noexcept {
  IpAddress out;
  const auto rest = std::ranges::copy(kIpv4MappedPrefix, out.bytes.begin()).out;
  std::ranges::copy(address, rest);
  return out;
}

bool IpAddress::is_v4() const noexcept {
  return std::equal(kIpv4MappedPrefix.begin(), kIpv4MappedPrefix.end(), bytes.begin());
}

namespace {

// inet_ntop() goes by sprintf(), which takes as long as all else for an address does.
std::size_t format_v4(std::span<const std::uint8_t, 4> address, std::span<char> out) noexcept {
  char* to = out.data();
  for (const std::uint8_t byte : address) {
    if (to != out.data()) *to++ = '.';
    to = std::to_chars(to, out.data() + out.size(), byte).ptr;
  }
  return static_cast<std::size_t>(to - out.data());
}

}  // namespace

std::size_t IpAddress::format(std::span<char> out) const noexcept {
  std::array<char, INET6_ADDRSTRLEN> text{};
  std::size_t size = 0;
  if (is_v4())
    size = format_v4(v4(), text);
  else if (::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size()) != nullptr)
    size = std::strlen(text.data());
  if (size > out.size()) return 0;
  std::copy_n(text.begin(), size, out.begin());
  return size;
}

}  // namespace cppx::routing
