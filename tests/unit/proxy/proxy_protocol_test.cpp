#include <array>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/proxy_protocol/crc32c.h"
#include "proxy/codec/proxy_protocol/header.h"

namespace cppx::proxy::proxy_protocol {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kV4Addresses = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"s;

std::string binary(char command, char family, const std::string& rest) {
  return kSignature + command + family + static_cast<char>(rest.size() >> 8) +
         static_cast<char>(rest.size() & 0xff) + rest;
}

std::string tlv(char type, const std::string& value) {
  return std::string(1, type) + static_cast<char>(value.size() >> 8) +
         static_cast<char>(value.size() & 0xff) + value;
}

std::string text_of(const Endpoint& end) {
  std::array<char, routing::IpAddress::kMaxText> text{};
  return std::string(text.data(), end.ip.format(text)) + " " + std::to_string(end.port);
}

/// "source destination", "none", "bad" or "more"; checks what holds for every header on the way.
std::string read(const std::string& bytes) {
  const ReadResult result = read_header(bytes);
  if (result.status == ReadStatus::kMalformed) return "bad";
  if (result.status == ReadStatus::kNeedMore) return "more";
  const std::string header = bytes.substr(0, result.consumed);
  for (std::size_t size = 0; size < header.size(); ++size)
    CHECK(read_header(header.substr(0, size)).status == ReadStatus::kNeedMore);
  CHECK(read_header(header + "\x16\x03\x01").consumed == header.size());
  if (!result.header.has_addresses) return "none";
  return text_of(result.header.source) + " " + text_of(result.header.destination);
}

TEST_CASE("PROXY protocol: lines of version 1", "[proxy]") {
  const std::string longest =
      "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
  REQUIRE(longest.size() == 107);
  const struct {
    std::string line;
    std::string_view read;
  } cases[] = {
      {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1 56324 198.51.100.2 443"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
       "255.255.255.255 65535 255.255.255.255 65535"},
      {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0 0 0.0.0.0 0"},
      {"PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n", "2001:db8::1 1 2001:db8::2 2"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n", "192.0.2.1 1 198.51.100.2 2"},
      {"PROXY UNKNOWN\r\n", "none"},
      {"PROXY UNKNOWN \r\n", "none"},
      {longest, "none"},
      {"PROXY UNKNOWN anything \x01 at all\r\n", "none"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.line);
    CHECK(read(c.line) == c.read);
    CHECK(read(c.line + "GET / HTTP/1.1\r\n\r\n") == c.read);
  }
}

TEST_CASE("PROXY protocol: lines that are none of version 1", "[proxy]") {
  const std::string cases[] = {
      "GET / HTTP/1.1\r\n",
      "\x16\x03\x01\x02\x00",
      "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY\r\n",
      "PROXY \r\n",
      "PROXY\tTCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
      "PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
      "PROXY TCP4 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP6 2001:db8::1 198.51.100.2 1 2\r\n",
      "PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 2\r\n",
      "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY UNKNOWNX\r\n",
      "PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n"s,
      "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
      "PROXY TCP4 " + std::string(96, '1'),
  };
  for (const auto& line : cases) {
    CAPTURE(line);
    CHECK(read(line) == "bad");
  }
  CHECK(read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == "none");
  CHECK(read("PROXY TCP4 " + std::string(95, '1')) == "more");
}

TEST_CASE("PROXY protocol: headers of version 2", "[proxy]") {
  const std::string v6 =
      "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"s
      "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x50\xff\xff"s;
  const std::string mapped =
      "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x02\0\1\0\2"s;
  const std::string v4_read = "192.0.2.1 56324 198.51.100.2 443";
  const struct {
    std::string_view what;
    std::string header, read;
  } cases[] = {
      {"IPv4", binary('\x21', '\x11', kV4Addresses), v4_read},
      {"IPv6", binary('\x21', '\x21', v6), "2001:db8::1 80 2001:db8::2 65535"},
      {"IPv4-mapped", binary('\x21', '\x21', mapped), "192.0.2.1 1 198.51.100.2 2"},
      {"TLVs",
       binary('\x21', '\x11', kV4Addresses + tlv(1, "h2") + tlv(4, "") + tlv('\xee', "abc")),
       v4_read},
      {"longest", binary('\x21', '\x11', kV4Addresses + tlv(4, std::string(4065, 'x'))), v4_read},
      {"local", binary('\x20', '\0', ""), "none"},
      {"local with addresses", binary('\x20', '\x11', kV4Addresses), "none"},
      {"local with anything", binary('\x20', '\x11', "abc"), "none"},
      {"unspecified", binary('\x21', '\0', ""), "none"},
      {"unspecified with anything", binary('\x21', '\0', "abc"), "none"},
      {"datagrams", binary('\x21', '\x12', kV4Addresses), "none"},
      {"Unix", binary('\x21', '\x31', std::string(216, 'x')), "none"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    CHECK(read(c.header) == c.read);
    CHECK(read(c.header + "GET / HTTP/1.1\r\n\r\n") == c.read);
  }
}

TEST_CASE("PROXY protocol: headers that are none of version 2", "[proxy]") {
  std::string other_signature = binary('\x21', '\x11', kV4Addresses);
  other_signature[11] = '\r';
  const struct {
    std::string_view what;
    std::string header;
  } cases[] = {
      {"version 1", binary('\x11', '\x11', kV4Addresses)},
      {"version 3", binary('\x31', '\x11', kV4Addresses)},
      {"command 2", binary('\x22', '\x11', kV4Addresses)},
      {"family 4", binary('\x21', '\x41', kV4Addresses)},
      {"transport 3", binary('\x21', '\x13', kV4Addresses)},
      {"another signature", other_signature},
      {"IPv4 too short", binary('\x21', '\x11', kV4Addresses.substr(1))},
      {"IPv6 too short", binary('\x21', '\x21', std::string(35, 'x'))},
      {"Unix too short", binary('\x21', '\x31', std::string(215, 'x'))},
      {"half a TLV's head", binary('\x21', '\x11', kV4Addresses + "\x01\x00"s)},
      {"TLV over the end", binary('\x21', '\x11', kV4Addresses + "\x01\x00\x02x"s)},
      {"too long", binary('\x21', '\x11', kV4Addresses + tlv(4, std::string(4066, 'x')))},
      {"too long, and not all there", (kSignature + "\x21\x11\xff\xff"s)},
      {"checksum of 3 bytes", binary('\x21', '\x11', kV4Addresses + tlv(3, "abc"))},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    CHECK(read(c.header) == "bad");
  }
}

TEST_CASE("PROXY protocol: a checksum must be right", "[proxy]") {
  std::string header = binary(
      '\x21', '\x11', kV4Addresses + tlv(1, "h2") + tlv(3, "\0\0\0\0"s) + tlv('\xee', "end")
  );
  const std::uint32_t sum = crc32c(header);
  const std::size_t at = header.find("\x03\x00\x04"s) + 3;
  for (std::size_t i = 0; i < 4; ++i)
    header[at + i] = static_cast<char>(sum >> (24 - 8 * i) & 0xff);
  CHECK(read(header) == "192.0.2.1 56324 198.51.100.2 443");
  for (const std::size_t broken : {std::size_t{16}, at, at + 3, header.size() - 1}) {
    std::string other = header;
    other[broken] ^= 1;
    CHECK(read(other) == "bad");
  }
}

TEST_CASE("crc32c: the values of RFC 3720", "[proxy]") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(crc32c("6789", crc32c("12345")) == 0xe3069283U);
  CHECK(crc32c("") == 0);
}

TEST_CASE("PROXY protocol: what is written is read again", "[proxy]") {
  const auto end = [](std::string_view ip, std::uint16_t port) {
    return Endpoint{.ip = *routing::IpAddress::parse(ip), .port = port};
  };
  const struct {
    Endpoint source, destination;
    std::string_view text;
    std::size_t binary_bytes;
  } cases[] = {
      {end("192.0.2.1", 56324), end("198.51.100.2", 443),
       "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", 28},
      {end("2001:db8::1", 1), end("2001:db8::2", 65535),
       "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", 52},
      {end("192.0.2.1", 0), end("2001:db8::2", 80),
       "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 0 80\r\n", 52},
      {end("1111:2222:3333:4444:5555:6666:7777:8888", 65535),
       end("1111:2222:3333:4444:5555:6666:7777:9999", 65535),
       "PROXY TCP6 1111:2222:3333:4444:5555:6666:7777:8888 "
       "1111:2222:3333:4444:5555:6666:7777:9999 65535 65535\r\n",
       52},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    std::array<char, kMaxWritten> out{};
    const std::string text(out.data(), write_header(out, Version::kV1, c.source, c.destination));
    CHECK(text == c.text);
    const std::string wanted = text_of(c.source) + " " + text_of(c.destination);
    CHECK(read(text) == wanted);
    const std::string bytes(out.data(), write_header(out, Version::kV2, c.source, c.destination));
    CHECK(bytes.size() == c.binary_bytes);
    CHECK(read(bytes) == wanted);
  }
  std::array<char, kMaxWritten> out{};
  const std::size_t size =
      write_header(out, Version::kV2, end("192.0.2.1", 56324), end("198.51.100.2", 443));
  CHECK(std::string(out.data(), size) == binary('\x21', '\x11', kV4Addresses));
}

}  // namespace
}  // namespace cppx::proxy::proxy_protocol
