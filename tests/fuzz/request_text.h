#pragma once

#include <string_view>

#include "routing/http/message.h"

namespace cppx::test {

/// The next line of an input, which is taken off it.
inline std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

/// The rest of an input as a GET: its target in a line, then a header field in each line.
inline void take_request(std::string_view text, routing::RequestHead& head) {
  head.method = "GET";
  head.target = take_line(text);
  head.path = head.target.substr(0, head.target.find('?'));
  while (!text.empty() && !head.fields.full()) {
    const std::string_view line = take_line(text);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    head.fields.push({.name = line.substr(0, colon), .value = line.substr(colon + 1)});
  }
}

}  // namespace cppx::test
