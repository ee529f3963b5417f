#include "controller/translate/names.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::controller {
namespace {

bool is_dns_label(std::string_view label) noexcept {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !label.empty() && label.size() <= 63 && alphanumeric(label.front()) &&
         alphanumeric(label.back()) &&
         std::ranges::all_of(label, [&](char c) { return alphanumeric(c) || c == '-'; });
}

}  // namespace

bool is_dns_subdomain(std::string_view name) noexcept {
  if (name.empty() || name.size() > 253) return false;
  for (;;) {
    const auto dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_ip_literal(std::string_view text) {
  return routing::EndpointAddress::parse(text, 1).has_value();
}

bool is_own_address(std::string_view ip_literal) {
  const auto address = routing::EndpointAddress::parse(ip_literal, 1);
  if (!address) return false;
  if (address->is_v4()) return address->ip[12] == 127 || address->ip[12] == 0;
  constexpr std::array<std::uint8_t, 16> kAny{};
  auto loopback = kAny;
  loopback.back() = 1;
  return address->ip == kAny || address->ip == loopback;
}

bool is_localhost_name(std::string_view name) noexcept {
  return name == "localhost" || name.ends_with(".localhost");
}

std::optional<std::string> normalize_ingress_host(std::string_view host) {
  if (host.empty()) return "_";
  std::string name = to_lower(host);
  std::string_view checked = name;
  if (checked.starts_with("*.")) checked.remove_prefix(2);
  if (!is_dns_subdomain(checked) || is_ip_literal(checked)) return std::nullopt;
  return name;
}

}  // namespace cppx::controller
