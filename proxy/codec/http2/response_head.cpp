#include "proxy/codec/http2/response_head.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "proxy/codec/http2/field_store.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {

using routing::BodyFraming;
using routing::HeaderId;

namespace {

struct ResponseFacts {
  std::uint16_t status = 0;
  std::optional<std::uint64_t> content_length;
};

/// False: the field may not be there.
bool gather_response_field(const StoredField& field, ResponseFacts& found) noexcept {
  switch (field.id) {
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return false;  // RFC 9113 8.2.2
    case HeaderId::kContentLength: {
      const auto length = parse_int<std::int64_t>(field.value);
      if (found.content_length || !length || *length < 0) return false;
      found.content_length = static_cast<std::uint64_t>(*length);
      return true;
    }
    default:
      return true;
  }
}

bool gather_response(
    const FieldStore& fields, ResponseFacts& found, routing::HeaderFields* passed
) noexcept {
  StoredField field;
  for (FieldCursor all = fields.fields(); all.next(field);) {
    if (field.pseudo == Pseudo::kStatus)
      found.status = parse_int<std::uint16_t>(field.value).value_or(0);
    if (field.pseudo != Pseudo::kNone) continue;
    if (!gather_response_field(field, found)) return false;
    if (passed != nullptr) passed->push({.name = field.name, .value = field.value, .id = field.id});
  }
  return found.status >= 100 && found.status <= 599 && found.status != 101;  // RFC 9113 8.6
}

}  // namespace

std::uint16_t judge_response(const FieldStore& fields) {
  ResponseFacts found;
  return gather_response(fields, found, nullptr) ? found.status : 0;
}

bool read_response(
    const FieldStore& fields, bool ended, bool to_head, routing::ResponseHead& head
) {
  head.clear();
  ResponseFacts found;
  if (!gather_response(fields, found, &head.fields)) return false;
  head.status = found.status;
  head.has_content_length = found.content_length.has_value();
  head.content_length = found.content_length.value_or(0);
  const bool no_body = ended || to_head || head.status < 200 || head.status == 204 ||
                       head.status == 304 || found.content_length == std::uint64_t{0};
  if (no_body)
    head.framing = BodyFraming::kNone;
  else
    head.framing = head.has_content_length ? BodyFraming::kLength : BodyFraming::kChunked;
  return true;
}

}  // namespace cppx::proxy::http2
