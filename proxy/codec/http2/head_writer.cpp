#include "proxy/codec/http2/head_writer.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/text.h"
#include "proxy/codec/head_fields.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

using routing::BodyFraming;
using routing::HeaderField;
using routing::HeaderId;

bool takes_trailers(const routing::HeaderFields& fields) noexcept {
  for (const HeaderField& field : fields)
    if (field.id == HeaderId::kTe && routing::has_token(field.value, "trailers")) return true;
  return false;
}

/// Of the handshake of HTTP/1.1, and RFC 8441 5.1 does without it.
bool answers_websocket_key(std::string_view name) noexcept {
  return iequals(name, "Sec-WebSocket-Accept");
}

/// A target with an empty path begins with the query.
void write_path(FieldList& out, const routing::RequestHead& request) {
  if (!lacks_slash(request)) {
    out.field(":path", request.target);
    return;
  }
  out.begin_list(":path");
  out.list_item("/");
  out.list_item(request.target);
  out.end_list();
}

}  // namespace

void FieldList::field(std::string_view name, std::string_view value) noexcept {
  if (size_ == fields_.size()) ok_ = false;
  if (!ok_) return;
  fields_[size_++] = {.name = name, .value = value};
}

void FieldList::number(std::string_view name, std::uint64_t value) noexcept {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  begin_list(name);
  list_item({digits, static_cast<std::size_t>(end - digits)});
  end_list();
}

void FieldList::begin_list(std::string_view name) noexcept {
  list_name_ = name;
  list_begin_ = scratch_used_;
}

void FieldList::list_item(std::string_view text) noexcept {
  if (text.size() > scratch_.size() - scratch_used_) ok_ = false;
  if (!ok_ || text.empty()) return;
  std::memcpy(scratch_.data() + scratch_used_, text.data(), text.size());
  scratch_used_ += text.size();
}

void FieldList::end_list() noexcept {
  field(list_name_, {scratch_.data() + list_begin_, scratch_used_ - list_begin_});
}

void write_request_head(
    FieldList& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
) {
  out.field(":method", request.method);
  // What a trusted proxy calls the scheme may be no scheme: that goes into X-Forwarded-Proto only.
  out.field(":scheme", forwarded.scheme == "https" ? std::string_view("https") : "http");
  out.field(":authority", host_sent(request, forwarded));
  write_path(out, request);
  tell_forwarded(out, request, forwarded);
  const bool has_body = request.framing != BodyFraming::kNone;
  const PassedFields passed(request.fields, has_body);
  for (const HeaderField& field : request.fields) {
    if (passed.to_backend(field)) out.field(field.name, field.value);
  }
  if (takes_trailers(request.fields)) out.field("te", "trailers");
  if (request.framing != BodyFraming::kChunked && request.has_content_length)
    out.number("content-length", request.content_length);
}

void write_response_head(
    FieldList& out, const routing::ResponseHead& response, const ResponsePlan& plan
) {
  out.field("date", plan.date);
  const PassedFields passed(response.fields, response.framing != BodyFraming::kNone);
  for (const HeaderField& field : response.fields) {
    if (!passed.to_client(field, plan)) continue;
    if (plan.upgrade && answers_websocket_key(field.name)) continue;
    out.field(field.name, field.value);
  }
  if (!plan.strict_transport_security.empty())
    out.field("strict-transport-security", plan.strict_transport_security);
  if (!plan.set_cookie.empty()) out.field("set-cookie", plan.set_cookie);
  if (!plan.upgrade && sends_length(response, plan))
    out.number("content-length", response.content_length);
}

void write_interim_head(FieldList& out, const routing::ResponseHead& response) {
  const PassedFields passed(response.fields, false);
  for (const HeaderField& field : response.fields)
    if (passed.with_interim(field)) out.field(field.name, field.value);
}

}  // namespace cppx::proxy::http2
