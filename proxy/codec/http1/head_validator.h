#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/codec/http1/head_parser.h"
#include "routing/http/message.h"

namespace cppx::proxy::http1 {

/// What a parsed head means, or why it is refused. A message that two parsers could read
/// differently is never forwarded. Rules, with their clauses in RFC 9112 unless another is named:
///   a line that does not end in CR LF (2.2), obs-fold (5.2), CR, LF or NUL in a value (5.5 of RFC
///   9110), version other than 1.0 and 1.1 (2.3), Host missing in 1.1, repeated or invalid (3.2),
///   target neither origin nor absolute form (3.2.1, 3.2.2), absolute form that differs from Host,
///   userinfo (4.2.4 of RFC 9110), fragment, Content-Length repeated or not a number (6.3),
///   Transfer-Encoding other than one "chunked" (6.1), both of them (6.1), Transfer-Encoding in 1.0
///   (6.1).
/// Each returns 0 and fills `head` with views into `buffer`, or the status to answer with and
/// close: 400, 405 (TRACE), 501 (unknown transfer coding), 505 (version).
std::uint16_t validate_request(
    const HeadParser& parser, std::string_view buffer, routing::RequestHead& head
);

/// The same rules for a response to a request whose method was HEAD (`to_head`) or not. False: the
/// answer is 502 and the connection is not used again.
bool validate_response(
    const HeadParser& parser, std::string_view buffer, bool to_head, routing::ResponseHead& head
);

/// A field that may stand in a trailer section (RFC 9110 6.5.1): not one that frames, routes or
/// authenticates the message.
bool allowed_in_trailer(std::string_view name) noexcept;

}  // namespace cppx::proxy::http1
