#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/codec/proxy_protocol/header.h"
#include "routing/client/ip_address.h"

namespace cppx::proxy::proxy_protocol {
namespace {

using namespace std::string_view_literals;

/// Appends to a buffer that is known to be large enough.
class Out {
 public:
  explicit Out(std::span<char> memory) noexcept : memory_(memory) {}

  void append(std::string_view text) noexcept {
    std::ranges::copy(text, memory_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += text.size();
  }
  void append_bytes(std::span<const std::uint8_t> bytes) noexcept {
    for (const std::uint8_t byte : bytes) memory_[used_++] = static_cast<char>(byte);
  }
  void append_number(std::uint16_t number) noexcept {
    append_bytes(
        std::array{static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xff)}
    );
  }
  void append_decimal(std::uint16_t number) noexcept {
    char* begin = memory_.data() + used_;
    used_ += static_cast<std::size_t>(std::to_chars(begin, begin + 5, number).ptr - begin);
  }
  void append_address(const routing::IpAddress& ip, bool as_v6) noexcept {
    if (as_v6 && ip.is_v4()) append("::ffff:");
    used_ += ip.format(memory_.subspan(used_));
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  std::span<char> memory_;
  std::size_t used_ = 0;
};

void write_text(Out& out, const Endpoint& source, const Endpoint& destination, bool v4) noexcept {
  out.append(v4 ? "PROXY TCP4 "sv : "PROXY TCP6 "sv);
  out.append_address(source.ip, !v4);
  out.append(" ");
  out.append_address(destination.ip, !v4);
  out.append(" ");
  out.append_decimal(source.port);
  out.append(" ");
  out.append_decimal(destination.port);
  out.append("\r\n");
}

void write_binary(Out& out, const Endpoint& source, const Endpoint& destination, bool v4) noexcept {
  out.append("\r\n\r\n\0\r\nQUIT\n\x21"sv);
  out.append(v4 ? "\x11"sv : "\x21"sv);
  out.append_number(v4 ? 12 : 36);
  for (const Endpoint* end : {&source, &destination}) {
    if (v4)
      out.append_bytes(end->ip.v4());
    else
      out.append_bytes(end->ip.bytes);
  }
  out.append_number(source.port);
  out.append_number(destination.port);
}

}  // namespace

std::size_t write_header(
    std::span<char, kMaxWritten> out, Version version, const Endpoint& source,
    const Endpoint& destination
) noexcept {
  Out text(out);
  const bool v4 = source.ip.is_v4() && destination.ip.is_v4();
  if (version == Version::kV1)
    write_text(text, source, destination, v4);
  else
    write_binary(text, source, destination, v4);
  return text.used();
}

}  // namespace cppx::proxy::proxy_protocol
