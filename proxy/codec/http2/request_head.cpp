#include "proxy/codec/http2/request_head.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "proxy/codec/http2/field_store.h"
#include "routing/http/host.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

using routing::BodyFraming;
using routing::HeaderId;

constexpr std::uint16_t kBadRequest = 400;
constexpr std::uint16_t kNotAllowed = 405;

/// What the fields say beside those that are passed on.
struct RequestFacts {
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view protocol;
  std::optional<std::string_view> host;
  std::optional<std::uint64_t> content_length;
  bool expect_continue = false;
};

bool is_target(std::string_view target) noexcept {
  for (const char c : target)
    if (c <= ' ' || c > '~' || c == '#') return false;  // a signed char below 0: not ASCII
  return target.starts_with('/');
}

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (const char c : text) {
    const char lower = to_lower(c);
    if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9')) &&
        kMarks.find(c) == std::string_view::npos)
      return false;
  }
  return !text.empty();
}

void gather_pseudo(const StoredField& field, RequestFacts& found) noexcept {
  switch (field.pseudo) {
    case Pseudo::kMethod:
      found.method = field.value;
      break;
    case Pseudo::kScheme:
      found.scheme = field.value;
      break;
    case Pseudo::kAuthority:
      found.authority = field.value;
      break;
    case Pseudo::kPath:
      found.path = field.value;
      break;
    case Pseudo::kProtocol:
      found.protocol = field.value;
      break;
    default:
      break;
  }
}

/// False: the field may not be there.
bool gather_request_field(const StoredField& field, RequestFacts& found) noexcept {
  switch (field.id) {
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return false;
    case HeaderId::kTe:
      return iequals(field.value, "trailers");
    case HeaderId::kHost:
      if (found.host) return false;
      found.host = field.value;
      return true;
    case HeaderId::kContentLength: {
      const auto length = parse_int<std::int64_t>(field.value);
      if (found.content_length || !length || *length < 0) return false;
      found.content_length = static_cast<std::uint64_t>(*length);
      return true;
    }
    case HeaderId::kExpect:
      found.expect_continue = found.expect_continue || iequals(field.value, "100-continue");
      return true;
    default:
      return true;
  }
}

std::string_view host_of(const RequestFacts& found) noexcept {
  return found.authority.empty() ? found.host.value_or("") : found.authority;
}

/// 0 or the status to refuse with.
std::uint16_t judge(const RequestFacts& found, bool ended) noexcept {
  if (!routing::is_method(found.method)) return kBadRequest;
  if (found.method == "TRACE") return kNotAllowed;
  const bool connect = found.method == "CONNECT";
  if (connect && found.protocol.empty()) return kNotAllowed;
  // The first message of a WebSocket is not a body, and h2c by Upgrade is not offered (RFC 9113
  // 3.1).
  if (connect && (ended || found.content_length || !is_token(found.protocol) ||
                  iequals(found.protocol, "h2c")))
    return kBadRequest;
  if (!connect && !found.protocol.empty()) return kBadRequest;
  if (!iequals(found.scheme, "http") && !iequals(found.scheme, "https")) return kBadRequest;
  if (!is_target(found.path)) return kBadRequest;
  if (found.host && !found.authority.empty() && !iequals(*found.host, found.authority))
    return kBadRequest;
  return routing::host_without_port(host_of(found)) ? 0 : kBadRequest;
}

/// False: a field is there that may not be. `passed`: takes the fields that are not pseudo fields.
bool gather_request(
    const FieldStore& fields, RequestFacts& found, routing::HeaderFields* passed
) noexcept {
  StoredField field;
  for (FieldCursor all = fields.fields(); all.next(field);) {
    if (field.pseudo != Pseudo::kNone) {
      gather_pseudo(field, found);
      continue;
    }
    if (!gather_request_field(field, found)) return false;
    if (passed != nullptr) passed->push({.name = field.name, .value = field.value, .id = field.id});
  }
  return true;
}

void set_framing(const RequestFacts& found, bool ended, routing::RequestHead& head) noexcept {
  head.has_content_length = found.content_length.has_value();
  head.content_length = found.content_length.value_or(0);
  if (ended || head.upgrade) return;
  if (!head.has_content_length)
    head.framing = BodyFraming::kChunked;
  else if (head.content_length > 0)
    head.framing = BodyFraming::kLength;
}

}  // namespace

std::uint16_t read_request(const FieldStore& fields, bool ended, routing::RequestHead& head) {
  head.clear();
  RequestFacts found;
  if (!gather_request(fields, found, &head.fields)) return kBadRequest;
  if (const std::uint16_t refused = judge(found, ended); refused != 0) return refused;
  head.target = found.path;
  head.path = found.path.substr(0, found.path.find('?'));
  head.host = host_of(found);
  head.upgrade = !found.protocol.empty();
  head.upgrade_protocol = found.protocol;
  head.method = head.upgrade ? std::string_view("GET") : found.method;
  set_framing(found, ended, head);
  head.expect_continue = found.expect_continue && head.framing != BodyFraming::kNone;
  head.idempotent = routing::is_idempotent(head.method);
  head.head_method = head.method == "HEAD";
  return 0;
}

std::uint16_t judge_request(const FieldStore& fields, bool ended, bool& tunnel) {
  RequestFacts found;
  if (!gather_request(fields, found, nullptr)) return kBadRequest;
  tunnel = !found.protocol.empty();
  return judge(found, ended);
}

}  // namespace cppx::proxy::http2
