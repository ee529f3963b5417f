#pragma once

#include <cstddef>
#include <string_view>

#include "proxy/codec/http1/body_gather.h"
#include "proxy/codec/http1/body_reader.h"
#include "proxy/codec/http1/head_parser.h"
#include "proxy/stream/body_part.h"

namespace cppx::proxy {

/// What reads the HTTP/1.x messages of one side, and frames the bodies that go there.
struct Http1Side {
  explicit Http1Side(http1::HeadParser::Kind kind) noexcept : parser(kind) {}

  http1::HeadParser parser;
  http1::BodyReader body;
  http1::BodyGather gather;
  http1::BodyFramer framer;

  /// The next part of the body in `input`, which begins at `begin` of its buffer: moved on behind
  /// what was used.
  BodyPart next_part(std::string_view input, std::size_t& begin);
};

}  // namespace cppx::proxy
