#include "controller/kube/url.h"

#include <fmt/format.h>

#include "base/text.h"

namespace cppx::controller {
namespace {

Error not_a_url(std::string_view text) {
  return config_error(
      Errc::kInvalidArgument, fmt::format("\"{}\" is not an http:// or https:// URL", text)
  );
}

bool is_unreserved(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

bool valid_host(std::string_view host, bool bracketed) noexcept {
  if (host.empty()) return false;
  for (const char c : host)
    if (!is_unreserved(c) && !(bracketed && c == ':')) return false;
  return true;
}

/// Takes the scheme off the front of `text`.
bool take_scheme(std::string_view& text, bool& tls) noexcept {
  for (const auto& [scheme, is_tls] :
       {std::pair{std::string_view("https://"), true}, std::pair{std::string_view("http://"), false}
       }) {
    if (!iequals(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    tls = is_tls;
    return true;
  }
  return false;
}

}  // namespace

std::string ServerUrl::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::string ServerUrl::to_string() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), path);
}

Result<ServerUrl> parse_server_url(std::string_view text) {
  std::string_view rest = trim(text);
  ServerUrl url;
  if (!take_scheme(rest, url.tls)) return not_a_url(text);
  if (rest.find_first_of("@?# ") != std::string_view::npos) return not_a_url(text);
  url.port = url.tls ? 443 : 80;

  const auto slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();

  const bool bracketed = authority.starts_with('[');
  const auto host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == std::string_view::npos) return not_a_url(text);
  const std::string_view host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
  if (!valid_host(host, bracketed)) return not_a_url(text);
  url.host = host;

  std::string_view port =
      authority.substr(std::min(authority.size(), host_end + (bracketed ? 1 : 0)));
  if (port.empty()) return url;
  if (!port.starts_with(':')) return not_a_url(text);
  const auto number = parse_int<std::uint16_t>(port.substr(1));
  if (!number || *number == 0) return not_a_url(text);
  url.port = *number;
  return url;
}

std::string encode_query_value(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c))
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return encoded;
}

}  // namespace cppx::controller
