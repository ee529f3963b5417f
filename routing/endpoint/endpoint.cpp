#include "routing/endpoint/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace cppx::routing {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<EndpointAddress> EndpointAddress::parse(
    std::string_view ip_literal, std::uint16_t port
) {
  std::array<char, INET6_ADDRSTRLEN> text{};  // the last byte stays NUL
  if (ip_literal.size() >= text.size() || ip_literal.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::copy(ip_literal.begin(), ip_literal.end(), text.begin());

  EndpointAddress address{.ip = {}, .port = port};
  if (inet_pton(AF_INET6, text.data(), address.ip.data()) == 1) return address;
  if (inet_pton(AF_INET, text.data(), address.ip.data() + kMappedPrefix.size()) != 1)
    return std::nullopt;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.ip.begin());
  return address;
}

bool EndpointAddress::is_v4() const noexcept {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin());
}

std::string EndpointAddress::to_string() const {
  if (is_v4()) return fmt::format("{}.{}.{}.{}:{}", ip[12], ip[13], ip[14], ip[15], port);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, ip.data(), text.data(), text.size());
  return fmt::format("[{}]:{}", text.data(), port);
}

std::size_t EndpointAddressHash::operator()(const EndpointAddress& address) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.ip.data(), sizeof(high));
  std::memcpy(&low, address.ip.data() + sizeof(high), sizeof(low));
  // The bytes that differ are high in `low` (little endian): folded down before they are
  // multiplied.
  std::uint64_t hash = (high ^ address.port) * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ (hash >> 29) ^ low ^ (low >> 32)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 31)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 32);
}

std::string_view to_string(PoolStatus status) noexcept {
  switch (status) {
    case PoolStatus::kReady:
      return "ready";
    case PoolStatus::kNoService:
      return "no-service";
    case PoolStatus::kNoPort:
      return "no-port";
    case PoolStatus::kNoEndpoints:
      return "no-endpoints";
    case PoolStatus::kNotResolved:
      return "not-resolved";
    case PoolStatus::kRefused:
      return "refused";
  }
  return "unknown";
}

}  // namespace cppx::routing
