#include "proxy/codec/http2/response_head.h"

#include <optional>
#include <string_view>

#include "base/text.h"

namespace cppx::proxy::http2 {

using routing::BodyFraming;
using routing::HeaderId;

std::uint16_t status_of(const FieldStore& fields) {
  StoredField field;
  for (FieldCursor all = fields.fields(); all.next(field);) {
    if (field.pseudo != Pseudo::kStatus) continue;
    const auto status = parse_int<std::uint16_t>(field.value);
    return status && *status >= 100 && *status <= 599 ? *status : 0;
  }
  return 0;
}

bool read_response(
    const FieldStore& fields, bool ended, bool to_head, routing::ResponseHead& head
) {
  head.clear();
  head.status = status_of(fields);
  if (head.status == 0 || head.status == 101) return false;
  StoredField field;
  for (FieldCursor all = fields.fields(); all.next(field);) {
    if (field.pseudo != Pseudo::kNone) continue;
    switch (field.id) {
      case HeaderId::kConnection:
      case HeaderId::kKeepAlive:
      case HeaderId::kProxyConnection:
      case HeaderId::kTransferEncoding:
      case HeaderId::kUpgrade:
        return false;  // RFC 9113 8.2.2
      case HeaderId::kContentLength: {
        const auto length = parse_int<std::int64_t>(field.value);
        if (!length || *length < 0 || head.has_content_length) return false;
        head.content_length = static_cast<std::uint64_t>(*length);
        head.has_content_length = true;
        break;
      }
      default:
        break;
    }
    head.fields.push({.name = field.name, .value = field.value, .id = field.id});
  }
  const bool no_body = ended || to_head || head.status < 200 || head.status == 204 ||
                       head.status == 304 || (head.has_content_length && head.content_length == 0);
  if (no_body)
    head.framing = BodyFraming::kNone;
  else
    head.framing = head.has_content_length ? BodyFraming::kLength : BodyFraming::kChunked;
  return true;
}

}  // namespace cppx::proxy::http2
