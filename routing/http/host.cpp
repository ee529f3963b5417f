#include "routing/http/host.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::routing {
namespace {

constexpr bool is_hex(char c) noexcept {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
}

/// unreserved and sub-delims but '.' (RFC 3986 2.2, 2.3).
constexpr bool is_label_character(char c) noexcept {
  constexpr std::string_view kOthers = "-_~!$&'()*+,;=";
  const char lower = to_lower(c);
  return is_digit(c) || (lower >= 'a' && lower <= 'z') || kOthers.find(c) != std::string_view::npos;
}

/// Labels between single dots, none of them empty, no trailing dot.
bool is_name(std::string_view host) noexcept {
  bool in_label = false;
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host[i] == '.') {
      if (!in_label) return false;
      in_label = false;
      continue;
    }
    if (host[i] == '%') {
      if (i + 2 >= host.size() || !is_hex(host[i + 1]) || !is_hex(host[i + 2])) return false;
      i += 2;
    } else if (!is_label_character(host[i])) {
      return false;
    }
    in_label = true;
  }
  return in_label;
}

/// What follows the host: nothing, or ':' and a port, which may be empty (RFC 3986 3.2.3).
bool is_port_suffix(std::string_view text) noexcept {
  if (text.empty() || text == ":") return true;
  return text.front() == ':' && is_digit(text[1]) && parse_int<std::uint16_t>(text.substr(1));
}

}  // namespace

std::optional<std::string_view> host_without_port(std::string_view authority) noexcept {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos || !is_port_suffix(authority.substr(end + 1)))
      return std::nullopt;
    const std::string_view literal = authority.substr(1, end - 1);
    if (literal.find(':') == std::string_view::npos || !EndpointAddress::parse(literal, 0))
      return std::nullopt;
    return authority.substr(0, end + 1);
  }
  const std::size_t end = std::min(authority.find(':'), authority.size());
  if (!is_port_suffix(authority.substr(end))) return std::nullopt;
  std::string_view host = authority.substr(0, end);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (!is_name(host)) return std::nullopt;
  return host;
}

}  // namespace cppx::routing
