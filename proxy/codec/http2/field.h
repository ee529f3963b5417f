#pragma once

#include <string_view>

namespace cppx::proxy::http2 {

/// A field to be sent, or one of a trailer section that came. Names may be in any case: they are
/// sent in lower case (RFC 9113 8.2).
struct Field {
  std::string_view name;
  std::string_view value;
};

}  // namespace cppx::proxy::http2
