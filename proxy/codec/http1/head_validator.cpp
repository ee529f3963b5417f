#include "proxy/codec/http1/head_validator.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/text.h"
#include "routing/http/host.h"

namespace cppx::proxy::http1 {
namespace {

using routing::BodyFraming;
using routing::HeaderField;
using routing::HeaderId;

/// More than anybody has a use for; each field of the message is looked up among them.
constexpr std::ptrdiff_t kMaxConnectionOptions = 64;

bool has_control_character(std::string_view value) noexcept {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return true;
  }
  return false;
}

/// Every line ends in CR LF, and none begins with white space (obs-fold, or a field before the
/// first name). Looked at in the bytes themselves: a parser that is lenient about it no longer
/// shows it in what it hands out.
bool well_formed_lines(std::string_view head) noexcept {
  while (head.starts_with("\r\n")) head.remove_prefix(2);  // RFC 9112 2.2
  for (std::size_t end = head.find('\n'); end != std::string_view::npos;
       end = head.find('\n', end + 1)) {
    if (end == 0 || head[end - 1] != '\r') return false;
    if (end + 1 < head.size() && (head[end + 1] == ' ' || head[end + 1] == '\t')) return false;
  }
  return true;
}

/// The fields that decide framing and connection, gathered while the fields are copied.
struct Gathered {
  std::string_view host;
  std::string_view content_length;
  std::string_view transfer_encoding;
  int hosts = 0;
  int content_lengths = 0;
  int transfer_encodings = 0;
  std::ptrdiff_t connection_options = 0;
  bool close = false;
  bool keep_alive = false;
  bool connection_upgrade = false;
  std::string_view upgrade;
  bool expect_continue = false;
};

void gather(const HeaderField& field, Gathered& found) noexcept {
  switch (field.id) {
    case HeaderId::kHost:
      ++found.hosts;
      found.host = field.value;
      break;
    case HeaderId::kContentLength:
      ++found.content_lengths;
      found.content_length = field.value;
      break;
    case HeaderId::kTransferEncoding:
      ++found.transfer_encodings;
      found.transfer_encoding = field.value;
      break;
    case HeaderId::kConnection:
      found.connection_options += 1 + std::ranges::count(field.value, ',');
      found.close = found.close || routing::has_token(field.value, "close");
      found.keep_alive = found.keep_alive || routing::has_token(field.value, "keep-alive");
      found.connection_upgrade =
          found.connection_upgrade || routing::has_token(field.value, "upgrade");
      break;
    case HeaderId::kUpgrade:
      found.upgrade = field.value;
      break;
    case HeaderId::kExpect:
      found.expect_continue = found.expect_continue || iequals(field.value, "100-continue");
      break;
    default:
      break;
  }
}

bool take_fields(
    const HeadParser& parser, std::string_view buffer, routing::HeaderFields& fields,
    Gathered& found
) {
  for (std::size_t i = 0; i < parser.field_count(); ++i) {
    const HeadParser::Field parsed = parser.field(i, buffer);
    if (parsed.folded || parsed.name.empty()) return false;
    const HeaderField field{
        .name = parsed.name, .value = trim(parsed.value), .id = routing::header_id(parsed.name)
    };
    if (has_control_character(parsed.value)) return false;
    gather(field, found);
    fields.push(field);
  }
  return found.connection_options <= kMaxConnectionOptions;
}

enum class Framing : std::uint8_t { kOk, kBad, kUnknownCoding };

/// RFC 9112 6.1 and 6.3, for both kinds of message; `framing` stays as it is when neither field is
/// there.
Framing decide_framing(
    const Gathered& found, std::uint8_t minor_version, BodyFraming& framing, std::uint64_t& length
) {
  if (found.transfer_encodings > 0) {
    if (found.content_lengths > 0 || minor_version == 0 || found.transfer_encodings > 1)
      return Framing::kBad;
    if (!iequals(found.transfer_encoding, "chunked")) return Framing::kUnknownCoding;
    framing = BodyFraming::kChunked;
    return Framing::kOk;
  }
  if (found.content_lengths == 0) return Framing::kOk;
  if (found.content_lengths > 1) return Framing::kBad;
  for (const char c : found.content_length)
    if (c < '0' || c > '9') return Framing::kBad;
  const auto value = parse_int<std::int64_t>(found.content_length);
  if (!value) return Framing::kBad;
  length = static_cast<std::uint64_t>(*value);
  framing = length == 0 ? BodyFraming::kNone : BodyFraming::kLength;
  return Framing::kOk;
}

/// The target as path and query; an absolute target gives its authority too. False when it is
/// refused.
bool split_target(
    std::string_view target, routing::RequestHead& head, std::string_view& authority
) {
  if (target.find('#') != std::string_view::npos) return false;
  if (!target.starts_with('/')) {
    const auto scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return false;
    const auto scheme = target.substr(0, scheme_end);
    if (!iequals(scheme, "http") && !iequals(scheme, "https")) return false;
    const auto rest = target.substr(scheme_end + 3);
    const auto authority_end = rest.find_first_of("/?");
    authority = rest.substr(0, authority_end);
    if (authority.empty()) return false;
    target = authority_end == std::string_view::npos ? std::string_view("/")
                                                     : rest.substr(authority_end);
  }
  head.target = target;
  // "http://host?query" has an empty path, which is sent as "/" (RFC 9112 3.2.1).
  head.path = target.starts_with('/') ? target.substr(0, target.find('?')) : std::string_view("/");
  return true;
}

/// RFC 9112 3.2. `authority` is that of an absolute target, or empty.
bool decide_host(const Gathered& found, std::string_view authority, routing::RequestHead& head) {
  if (found.hosts > 1 || (found.hosts == 0 && head.minor_version >= 1)) return false;
  head.host = found.host;
  if (!authority.empty()) {
    if (found.hosts == 1 && !iequals(authority, found.host)) return false;
    head.host = authority;
  }
  if (head.host.empty()) return found.hosts == 0;
  return routing::host_without_port(head.host).has_value();
}

}  // namespace

std::uint16_t validate_request(
    const HeadParser& parser, std::string_view buffer, routing::RequestHead& head
) {
  head.clear();
  if (!parser.protocol(buffer).starts_with("HTTP/")) return 400;
  if (parser.major_version() != 1 || parser.minor_version() > 1) return 505;
  if (!well_formed_lines(buffer)) return 400;
  head.minor_version = parser.minor_version();
  head.method = parser.method(buffer);
  // One space on either side of the target (3); protocol() has seen the second.
  const std::string_view target = parser.target(buffer);
  const std::string_view line = buffer.substr(buffer.find_first_not_of("\r\n"));
  if (target.data() != line.data() + head.method.size() + 1) return 400;
  Gathered found;
  if (!take_fields(parser, buffer, head.fields, found)) return 400;
  if (head.method == "TRACE") return 405;
  if (head.method == "CONNECT") return 400;
  std::string_view authority;
  if (!split_target(target, head, authority)) return 400;
  if (!decide_host(found, authority, head)) return 400;
  head.has_content_length = found.content_lengths == 1;
  switch (decide_framing(found, head.minor_version, head.framing, head.content_length)) {
    case Framing::kBad:
      return 400;
    case Framing::kUnknownCoding:
      return 501;
    case Framing::kOk:
      break;
  }
  head.keep_alive = head.minor_version >= 1 ? !found.close : found.keep_alive && !found.close;
  head.expect_continue =
      found.expect_continue && head.minor_version >= 1 && head.framing != BodyFraming::kNone;
  head.idempotent = routing::is_idempotent(head.method);
  head.head_method = head.method == "HEAD";
  // h2c by Upgrade is not offered (RFC 9113 3.1 dropped it), and a request with a body does not
  // switch.
  if (found.connection_upgrade && !found.upgrade.empty() && head.framing == BodyFraming::kNone &&
      head.minor_version >= 1 && !routing::has_token(found.upgrade, "h2c")) {
    head.upgrade = true;
    head.upgrade_protocol = found.upgrade;
  }
  return 0;
}

bool validate_response(
    const HeadParser& parser, std::string_view buffer, bool to_head, routing::ResponseHead& head
) {
  head.clear();
  if (!buffer.starts_with("HTTP/1.") || parser.major_version() != 1 || parser.minor_version() > 1)
    return false;
  if (!well_formed_lines(buffer)) return false;
  head.minor_version = parser.minor_version();
  head.status = parser.status();
  head.reason = parser.reason(buffer);
  if (head.status < 100 || head.status > 599 || has_control_character(head.reason)) return false;
  Gathered found;
  if (!take_fields(parser, buffer, head.fields, found)) return false;
  if (decide_framing(found, head.minor_version, head.framing, head.content_length) != Framing::kOk)
    return false;
  head.has_content_length = found.content_lengths == 1;
  // RFC 9112 6.3, 1: these never have a body, whatever the fields say.
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304)
    head.framing = BodyFraming::kNone;
  head.keep_alive = head.minor_version >= 1 ? !found.close : found.keep_alive && !found.close;
  if (head.framing == BodyFraming::kUntilClose) head.keep_alive = false;
  head.upgrade_protocol = found.upgrade;
  return true;
}

bool allowed_in_trailer(std::string_view name) noexcept {
  if (routing::header_id(name) != HeaderId::kOther) return false;
  for (const std::string_view forbidden :
       {"Authorization",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "WWW-Authenticate",
        "Set-Cookie",
        "Cookie",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Cache-Control",
        "Max-Forwards",
        "Range",
        "Age",
        "Expires",
        "Location",
        "Retry-After",
        "Vary",
        "Warning",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Range",
        "Pragma"}) {
    if (iequals(name, forbidden)) return false;
  }
  return true;
}

}  // namespace cppx::proxy::http1
