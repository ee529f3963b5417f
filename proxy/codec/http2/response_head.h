#pragma once

#include <cstdint>

#include "proxy/codec/http2/field_store.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {

/// What the decoded fields of a response mean. `ended`: END_STREAM came with the head; `to_head`:
/// the request's method was HEAD. The reason is left empty: HTTP/2 has none. Fills `head` with
/// views into `fields`. False: the answer is 502 and the stream is reset.
bool read_response(const FieldStore& fields, bool ended, bool to_head, routing::ResponseHead& head);

/// The status, when read_response() would take the head; else 0.
std::uint16_t judge_response(const FieldStore& fields);

}  // namespace cppx::proxy::http2
