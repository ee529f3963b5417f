#pragma once

#include "proxy/codec/http1/head_parser.h"

namespace cppx::test {

/// Whether the parser refuses the head. Where it is wrong in two ways, which of them is seen first
/// may depend on the pieces it comes in.
inline bool refused(proxy::http1::HeadParser::Status status) {
  return status == proxy::http1::HeadParser::Status::kMalformed ||
         status == proxy::http1::HeadParser::Status::kTooManyFields;
}

}  // namespace cppx::test
