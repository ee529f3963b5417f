#include "proxy/codec/http1/head_writer.h"

#include <charconv>
#include <cstring>

namespace cppx::proxy::http1 {
namespace {

using routing::BodyFraming;
using routing::HeaderField;

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

void HeadBuffer::begin_list(std::string_view name) noexcept {
  append(name);
  append(": ");
}

void write_request_head(
    HeadBuffer& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
) {
  out.append(request.method);
  out.append(lacks_slash(request) ? " /" : " ");
  out.append(request.target);
  out.append(" HTTP/1.1\r\n");
  out.field("Host", host_sent(request, forwarded));
  tell_forwarded(out, request, forwarded);
  if (request.upgrade) {
    out.append("Connection: upgrade\r\n");
    out.field("Upgrade", request.upgrade_protocol);
    if (!forwarded.websocket_key.empty()) out.field("Sec-WebSocket-Key", forwarded.websocket_key);
  }
  const PassedFields passed(request.fields, request.framing == BodyFraming::kChunked);
  for (const HeaderField& field : request.fields)
    if (passed.to_backend(field)) out.field(field.name, field.value);
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
  const PassedFields passed(response.fields, plan.chunked);
  for (const HeaderField& field : response.fields)
    if (passed.to_client(field, plan)) out.field(field.name, field.value);
  if (!plan.strict_transport_security.empty())
    out.field("Strict-Transport-Security", plan.strict_transport_security);
  if (!plan.set_cookie.empty()) out.field("Set-Cookie", plan.set_cookie);
  if (plan.upgrade) {
    out.field("Upgrade", response.upgrade_protocol);
    out.append("Connection: upgrade\r\n\r\n");
    return;
  }
  if (plan.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (sends_length(response, plan)) {
    out.append("Content-Length: ");
    out.append_number(response.content_length);
    out.append("\r\n");
  }
  // RFC 9110 15.5.22: what the client is to ask for.
  const bool required = response.status == 426 && !response.upgrade_protocol.empty();
  if (required) out.field("Upgrade", response.upgrade_protocol);
  out.append(plan.keep_alive ? "Connection: keep-alive" : "Connection: close");
  out.append(required ? ", upgrade\r\n" : "\r\n");
  out.end();
}

void write_interim_head(HeadBuffer& out, const routing::ResponseHead& response) {
  out.append("HTTP/1.1 ");
  out.append_number(response.status);
  out.append(" ");
  out.append(response.reason);
  out.append("\r\n");
  const PassedFields passed(response.fields, false);
  for (const HeaderField& field : response.fields)
    if (passed.with_interim(field)) out.field(field.name, field.value);
  out.end();
}

std::size_t write_chunk_size(std::span<char> out, std::uint64_t size) noexcept {
  char* end = std::to_chars(out.data(), out.data() + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out.data());
}

}  // namespace cppx::proxy::http1
