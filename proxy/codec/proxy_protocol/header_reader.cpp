#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "proxy/codec/proxy_protocol/crc32c.h"
#include "proxy/codec/proxy_protocol/header.h"
#include "routing/client/ip_address.h"

namespace cppx::proxy::proxy_protocol {
namespace {

using routing::IpAddress;
using namespace std::string_view_literals;

constexpr std::string_view kTextBegin = "PROXY "sv;
constexpr std::size_t kMaxLine = 107;  // 2.1, with its CRLF
constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kFixedPart = 16;  // signature, command, family, length (2.2)
constexpr std::uint8_t kTlvCrc32c = 0x03;
constexpr std::size_t kTlvHead = 3;

constexpr ReadResult kBad{.status = ReadStatus::kMalformed, .consumed = 0};

/// Whether the shorter one of the two begins the other.
bool agree(std::string_view bytes, std::string_view mark) noexcept {
  const std::size_t common = std::min(bytes.size(), mark.size());
  return bytes.substr(0, common) == mark.substr(0, common);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

/// Takes what stands before the next space, which is not kept; nothing without one.
std::optional<std::string_view> take_word(std::string_view& line) noexcept {
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto word = line.substr(0, space);
  line.remove_prefix(space + 1);
  return word;
}

/// Decimal without zeros in front (2.1).
std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  if (text.size() > 1 && text.starts_with('0')) return std::nullopt;
  return parse_int<std::uint16_t>(text);
}

/// "192.0.2.1 192.0.2.2 4000 443", the rest of the line behind the family.
bool parse_addresses(std::string_view line, bool v4, Header& out) noexcept {
  const auto source = take_word(line);
  const auto destination = source ? take_word(line) : std::nullopt;
  const auto source_port = destination ? take_word(line) : std::nullopt;
  if (!source_port) return false;
  const bool dotted = source->find(':') == std::string_view::npos &&
                      destination->find(':') == std::string_view::npos;
  const bool coloned = source->find(':') != std::string_view::npos &&
                       destination->find(':') != std::string_view::npos;
  if (v4 ? !dotted : !coloned) return false;
  const auto from = IpAddress::parse(*source);
  const auto to = IpAddress::parse(*destination);
  const auto from_port = parse_port(*source_port);
  const auto to_port = parse_port(line);
  if (!from || !to || !from_port || !to_port) return false;
  out = {
      .has_addresses = true,
      .source = {.ip = *from, .port = *from_port},
      .destination = {.ip = *to, .port = *to_port}
  };
  return true;
}

ReadResult read_text(std::string_view bytes) noexcept {
  const auto end = bytes.substr(0, kMaxLine).find('\n');
  if (end == std::string_view::npos)
    return bytes.size() < kMaxLine ? ReadResult{.status = ReadStatus::kNeedMore} : kBad;
  if (bytes[end - 1] != '\r') return kBad;
  std::string_view line = bytes.substr(kTextBegin.size(), end - 1 - kTextBegin.size());
  ReadResult result{.status = ReadStatus::kDone, .consumed = end + 1};
  // Whatever follows UNKNOWN is not to be looked at (2.1).
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return result;
  const auto family = take_word(line);
  if (family != "TCP4" && family != "TCP6") return kBad;
  return parse_addresses(line, family == "TCP4", result.header) ? result : kBad;
}

/// The TLVs must fill their space, and a checksum over the whole header must be right (2.2.3).
bool check_tlvs(std::string_view header, std::size_t begin) noexcept {
  while (begin < header.size()) {
    if (header.size() - begin < kTlvHead) return false;
    const std::size_t size = number_at(header, begin + 1);
    const std::size_t value = begin + kTlvHead;
    if (header.size() - value < size) return false;
    if (byte_at(header, begin) == kTlvCrc32c) {
      if (size != 4) return false;
      const std::uint32_t sent = std::uint32_t{number_at(header, value)} << 16 |
                                 std::uint32_t{number_at(header, value + 2)};
      std::uint32_t sum = crc32c(header.substr(0, value));
      sum = crc32c("\0\0\0\0"sv, sum);
      sum = crc32c(header.substr(value + size), sum);
      if (sum != sent) return false;
    }
    begin = value + size;
  }
  return true;
}

IpAddress address_at(std::string_view bytes, std::size_t at, std::size_t size) noexcept {
  IpAddress out;
  if (size == 4) {
    std::array<std::uint8_t, 4> v4{};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, v4.begin());
    return IpAddress::from_v4(v4);
  }
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, out.bytes.begin());
  return out;
}

ReadResult read_binary(std::string_view bytes) noexcept {
  if (bytes.size() < kFixedPart) return {.status = ReadStatus::kNeedMore};
  const unsigned version = byte_at(bytes, 12) >> 4;
  const unsigned command = byte_at(bytes, 12) & 15U;
  const unsigned family = byte_at(bytes, 13) >> 4;
  const unsigned transport = byte_at(bytes, 13) & 15U;
  const std::size_t size = kFixedPart + number_at(bytes, 14);
  // Other values must be refused (2.2).
  if (version != 2 || command > 1 || family > 3 || transport > 2 || size > kMaxHeader) return kBad;
  if (bytes.size() < size) return {.status = ReadStatus::kNeedMore};
  bytes = bytes.substr(0, size);
  ReadResult result{.status = ReadStatus::kDone, .consumed = size};
  // LOCAL: a connection of the load balancer's own, whatever else it says. UNSPEC: nothing is said.
  if (command == 0 || family == 0) return result;
  constexpr std::array<std::size_t, 4> kAddressSize{0, 4, 16, 108};  // none, IPv4, IPv6, Unix
  const std::size_t address = kAddressSize[family];
  const std::size_t ports = family == 3 ? 0 : 2;
  const std::size_t tlvs = kFixedPart + 2 * (address + ports);
  if (size < tlvs || !check_tlvs(bytes, tlvs)) return kBad;
  if (family == 3 || transport != 1) return result;
  const std::size_t port = kFixedPart + 2 * address;
  result.header = {
      .has_addresses = true,
      .source = {.ip = address_at(bytes, kFixedPart, address), .port = number_at(bytes, port)},
      .destination =
          {.ip = address_at(bytes, kFixedPart + address, address),
           .port = number_at(bytes, port + 2)}
  };
  return result;
}

}  // namespace

ReadResult read_header(std::string_view bytes) noexcept {
  if (bytes.empty()) return {.status = ReadStatus::kNeedMore};
  const bool text = agree(bytes, kTextBegin);
  if (!text && !agree(bytes, kSignature)) return kBad;
  if (bytes.size() < (text ? kTextBegin : kSignature).size())
    return {.status = ReadStatus::kNeedMore};
  return text ? read_text(bytes) : read_binary(bytes);
}

}  // namespace cppx::proxy::proxy_protocol
