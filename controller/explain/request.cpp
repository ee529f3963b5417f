#include "controller/explain/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "controller/kube/url.h"
#include "routing/client/ip_address.h"
#include "routing/http/host.h"

namespace cppx::controller {
namespace {

Error unusable(std::string_view what, std::string_view text, std::string_view why) {
  return config_error(Errc::kInvalidArgument, fmt::format("{} \"{}\": {}", what, text, why));
}

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool has_control_character(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
  });
}

/// Splits "https://host:port/path?query#fragment" into the request.
Result<void> read_url(const std::string& url, ExplainRequest& out) {
  std::string_view rest = url;
  const auto scheme_end = rest.find("://");
  const std::string scheme =
      scheme_end == std::string_view::npos ? "http" : to_lower(rest.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return unusable("URL", url, "not http or https");
  out.tls = scheme == "https";
  if (scheme_end != std::string_view::npos) rest.remove_prefix(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  const auto authority_end = rest.find_first_of("/?");
  out.authority = rest.substr(0, authority_end);
  const auto host = routing::host_without_port(out.authority);
  if (!host) return unusable("URL", url, "no valid host in it");
  out.server_name = *host;
  const std::string_view target =
      authority_end == std::string_view::npos ? std::string_view() : rest.substr(authority_end);
  if (has_control_character(target) || target.find(' ') != std::string_view::npos)
    return unusable("URL", url, "spaces and control characters must be percent-encoded");
  out.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return {};
}

Result<void> read_field(const std::string& line, ExplainRequest& out) {
  const auto colon = line.find(':');
  const std::string_view name = std::string_view(line).substr(0, colon);
  if (colon == std::string::npos || !is_token(name))
    return unusable("header field", line, "not of the form 'Name: value'");
  const std::string_view value = trim(std::string_view(line).substr(colon + 1));
  if (has_control_character(value)) return unusable("header field", line, "control character");
  if (!iequals(name, "host")) {
    out.fields.emplace_back(name, value);
    return {};
  }
  if (!routing::host_without_port(value)) return unusable("header field", line, "no valid host");
  out.authority = value;
  return {};
}

std::optional<int> hex_digit(char c) noexcept {
  const char low = to_lower(c);
  if (low >= '0' && low <= '9') return low - '0';
  if (low >= 'a' && low <= 'f') return low - 'a' + 10;
  return std::nullopt;
}

std::optional<std::string> decode_query_value(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
      continue;
    }
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out.push_back(static_cast<char>(*high * 16 + *low));
    i += 2;
  }
  return out;
}

std::string* place_of(ExplainWords& words, std::string_view name) {
  if (name == "url") return &words.url;
  if (name == "method") return &words.method;
  if (name == "client-ip") return &words.client_ip;
  return name == "header" ? &words.fields.emplace_back() : nullptr;
}

}  // namespace

std::string ExplainRequest::url() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority, target);
}

Result<ExplainRequest> make_explain_request(const ExplainWords& words) {
  ExplainRequest out;
  if (auto read = read_url(words.url, out); !read) return read.error();
  if (!words.method.empty()) out.method = words.method;
  if (!is_token(out.method)) return unusable("method", out.method, "not a token");
  for (const std::string& line : words.fields)
    if (auto read = read_field(line, out); !read) return read.error();
  if (!words.client_ip.empty()) out.client_ip = words.client_ip;
  if (!routing::IpAddress::parse(out.client_ip))
    return unusable("client address", out.client_ip, "not an IP address");
  return out;
}

std::string to_query(const ExplainWords& words) {
  std::string out = "url=" + encode_query_value(words.url);
  if (!words.method.empty()) out += "&method=" + encode_query_value(words.method);
  if (!words.client_ip.empty()) out += "&client-ip=" + encode_query_value(words.client_ip);
  for (const std::string& line : words.fields) out += "&header=" + encode_query_value(line);
  return out;
}

Result<ExplainWords> explain_words_of_query(std::string_view query) {
  ExplainWords words;
  for (const std::string_view item : split_list(query, '&')) {
    const auto equals = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, equals);
    std::string* place = place_of(words, name);
    if (place == nullptr)
      return unusable("parameter", name, "none of url, method, header, client-ip");
    auto value = decode_query_value(item.substr(std::min(equals + 1, item.size())));
    if (!value) return unusable("parameter", item, "a bad percent escape");
    *place = *std::move(value);
  }
  if (words.url.empty())
    return config_error(
        Errc::kInvalidArgument, "the parameter url is missing: ?url=https%3A%2F%2Fhost%2Fpath"
    );
  return words;
}

}  // namespace cppx::controller
