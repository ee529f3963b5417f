#pragma once

#include <cstdint>

#include "proxy/codec/http2/field_store.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {

/// What the decoded fields of a request mean, or why it is refused; the same request means the same
/// as in HTTP/1 (http1/head_validator.h). nghttp2 has seen to the form already (names in lower
/// case, pseudo fields first, once each and complete, one Content-Length that is a number and
/// agrees with the body: RFC 9113 8.1.1, 8.2, 8.3). Here, with clauses of RFC 9113 unless another
/// is named:
///   connection-specific fields, TE other than "trailers" (8.2.2), scheme other than http and
///   https, :path that is not a path with a query, or holds a fragment, a space, a control
///   character or none of ASCII (8.3.1), Host other than :authority (8.3.1), invalid host, userinfo
///   (8.3.1), method with other than capital letters, '-' and '_'.
/// The host is :authority, or else Host. Extended CONNECT (RFC 8441) is an upgrade of a GET, as
/// HTTP/1.1 asks for one. `ended`: END_STREAM came with the head.
/// Returns 0 and fills `head` with views into `fields`, or the status to answer with: 400, 405
/// (TRACE, CONNECT).
std::uint16_t read_request(const FieldStore& fields, bool ended, routing::RequestHead& head);

/// As read_request(), when the head itself is not wanted yet. `tunnel`: it is an extended CONNECT.
std::uint16_t judge_request(const FieldStore& fields, bool ended, bool& tunnel);

}  // namespace cppx::proxy::http2
