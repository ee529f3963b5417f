#include "proxy/codec/http1/head_writer.h"

#include <charconv>
#include <cstring>

#include "base/text.h"

namespace cppx::proxy::http1 {
namespace {

using routing::BodyFraming;
using routing::HeaderField;
using routing::HeaderId;

/// Letters, digits and '-': other names are not passed on, as nginx does by default (two that
/// differ only in
/// '_' and '-' are the same variable to many a backend).
bool ordinary_name(std::string_view name) noexcept {
  for (const char c : name) {
    const char lower = to_lower(c);
    if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

/// Fields named in Connection belong to the connection too. Only ordinary ones: a client cannot
/// strip what we set or what frames the message.
bool named_in_connection(const routing::HeaderFields& fields, std::string_view name) noexcept {
  for (const HeaderField& field : fields)
    if (field.id == HeaderId::kConnection && routing::has_token(field.value, name)) return true;
  return false;
}

/// Whether Connection names anything but the usual: the check above is then needed for each field.
bool names_fields(const routing::HeaderFields& fields) noexcept {
  for (const HeaderField& field : fields) {
    if (field.id == HeaderId::kConnection && !iequals(field.value, "keep-alive") &&
        !iequals(field.value, "close") && !iequals(field.value, "upgrade"))
      return true;
  }
  return false;
}

std::string_view find_value(const routing::HeaderFields& fields, HeaderId id) noexcept {
  for (const HeaderField& field : fields)
    if (field.id == id) return field.value;
  return {};
}

/// The values of a field that may come several times, as one list (RFC 9110 5.3), with `last` at
/// its end unless that is empty.
void write_joined(
    HeadBuffer& out, std::string_view name, const routing::HeaderFields& fields,
    std::string_view of, std::string_view last = {}
) {
  bool first = true;
  const auto item = [&](std::string_view value) {
    if (value.empty()) return;
    if (first) out.append(name);
    out.append(first ? ": " : ", ");
    out.append(value);
    first = false;
  };
  for (const HeaderField& field : fields)
    if (iequals(field.name, of)) item(field.value);
  item(last);
  if (!first) out.append("\r\n");
}

void write_forwarded(
    HeadBuffer& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
) {
  const auto client_id = find_value(request.fields, HeaderId::kXRequestId);
  // HTTP/1.0 may come without one; the backend is spoken to in 1.1, which must have it (RFC
  // 9112 3.2).
  std::string_view host = forwarded.host.empty() ? request.host : forwarded.host;
  if (host.empty()) host = "_";
  out.field("Host", host);
  out.field("X-Request-ID", client_id.empty() ? forwarded.request_id : client_id);
  out.field("X-Real-IP", forwarded.client_address);
  if (forwarded.appended_for.empty())
    out.field("X-Forwarded-For", forwarded.client_address);
  else
    write_joined(out, "X-Forwarded-For", request.fields, "X-Forwarded-For", forwarded.appended_for);
  out.field("X-Forwarded-Host", host);
  out.field("X-Forwarded-Port", forwarded.port);
  out.field("X-Forwarded-Proto", forwarded.scheme);
  out.field("X-Forwarded-Scheme", forwarded.scheme);
  out.field("X-Scheme", forwarded.scheme);
  write_joined(out, "X-Original-Forwarded-For", request.fields, forwarded.forwarded_for_header);
  const auto client_host = find_value(request.fields, HeaderId::kXForwardedHost);
  if (!client_host.empty()) out.field("X-Original-Forwarded-Host", client_host);
}

bool set_by_us_or_hop_by_hop(HeaderId id) noexcept {
  switch (id) {
    case HeaderId::kOther:
    case HeaderId::kDate:
    case HeaderId::kServer:
    case HeaderId::kStrictTransportSecurity:
    case HeaderId::kXAccel:
    case HeaderId::kTrailer:
      return false;
    default:
      return true;
  }
}

}  // namespace

void HeadBuffer::append(std::string_view text) noexcept {
  if (text.size() > memory_.size() - used_) ok_ = false;
  if (!ok_ || text.empty()) return;
  std::memcpy(memory_.data() + used_, text.data(), text.size());
  used_ += text.size();
}

void HeadBuffer::append_number(std::uint64_t number) noexcept {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  append({digits, static_cast<std::size_t>(end - digits)});
}

void HeadBuffer::field(std::string_view name, std::string_view value) noexcept {
  append(name);
  append(": ");
  append(value);
  append("\r\n");
}

void write_request_head(
    HeadBuffer& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
) {
  out.append(request.method);
  out.append(request.target.starts_with('/') ? " " : " /");
  out.append(request.target);
  out.append(" HTTP/1.1\r\n");
  write_forwarded(out, request, forwarded);
  if (request.upgrade) {
    out.append("Connection: upgrade\r\n");
    out.field("Upgrade", request.upgrade_protocol);
  }
  const bool check_named = names_fields(request.fields);
  for (const HeaderField& field : request.fields) {
    if (set_by_us_or_hop_by_hop(field.id) || !ordinary_name(field.name)) continue;
    if (field.id == HeaderId::kTrailer && request.framing != BodyFraming::kChunked) continue;
    if (check_named && named_in_connection(request.fields, field.name)) continue;
    out.field(field.name, field.value);
  }
  if (request.framing == BodyFraming::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (request.has_content_length) {
    out.append("Content-Length: ");
    out.append_number(request.content_length);
    out.append("\r\n");
  }
  out.end();
}

void write_response_head(
    HeadBuffer& out, const routing::ResponseHead& response, const ResponsePlan& plan
) {
  out.append("HTTP/1.1 ");
  out.append_number(response.status);
  out.append(" ");
  out.append(response.reason);
  out.append("\r\nDate: ");
  out.append(plan.date);
  out.append("\r\n");
  const bool check_named = names_fields(response.fields);
  for (const HeaderField& field : response.fields) {
    switch (field.id) {
      case HeaderId::kConnection:
      case HeaderId::kContentLength:
      case HeaderId::kDate:
      case HeaderId::kKeepAlive:
      case HeaderId::kProxyConnection:
      case HeaderId::kServer:
      case HeaderId::kTransferEncoding:
      case HeaderId::kUpgrade:
      case HeaderId::kXAccel:
        continue;
      case HeaderId::kTrailer:
        if (!plan.chunked) continue;
        break;
      case HeaderId::kStrictTransportSecurity:
        if (!plan.strict_transport_security.empty()) continue;
        break;
      default:
        break;
    }
    if (check_named && named_in_connection(response.fields, field.name)) continue;
    out.field(field.name, field.value);
  }
  if (!plan.strict_transport_security.empty())
    out.field("Strict-Transport-Security", plan.strict_transport_security);
  if (plan.upgrade) {
    out.field("Upgrade", response.upgrade_protocol);
    out.append("Connection: upgrade\r\n\r\n");
    return;
  }
  if (plan.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (response.has_content_length && response.status != 204) {
    out.append("Content-Length: ");
    out.append_number(response.content_length);
    out.append("\r\n");
  }
  out.append(plan.keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
  out.end();
}

void write_interim_head(HeadBuffer& out, const routing::ResponseHead& response) {
  out.append("HTTP/1.1 ");
  out.append_number(response.status);
  out.append(" ");
  out.append(response.reason);
  out.append("\r\n");
  for (const HeaderField& field : response.fields) {
    if (field.id == HeaderId::kOther || field.id == HeaderId::kDate)
      out.field(field.name, field.value);
  }
  out.end();
}

std::size_t write_chunk_size(std::span<char> out, std::uint64_t size) noexcept {
  char* end = std::to_chars(out.data(), out.data() + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out.data());
}

}  // namespace cppx::proxy::http1
