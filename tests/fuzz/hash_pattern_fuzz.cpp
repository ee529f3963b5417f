// The first line is a pattern of upstream-hash-by, the second a request target, the others are
// header fields of the request.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/balance/hash_pattern.h"
#include "routing/http/cookie.h"
#include "tests/fuzz/require.h"

using cppx::routing::HashPattern;
using cppx::test::require;

namespace {

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::string_view pattern_text = take_line(text);
  cppx::routing::RequestHead head;
  head.method = "GET";
  head.host = "www.example.com";
  head.target = take_line(text);
  head.path = head.target.substr(0, head.target.find('?'));
  while (!text.empty() && !head.fields.full()) {
    const std::string_view line = take_line(text);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    head.fields.push({.name = line.substr(0, colon), .value = line.substr(colon + 1)});
  }
  if (const auto cookie = cppx::routing::find_cookie(head.fields, "s"))
    require(cookie->find(';') == std::string_view::npos, "a value ends at a semicolon");

  const auto pattern = HashPattern::parse(pattern_text);
  if (!pattern) return 0;
  require(pattern->text() == pattern_text, "the text is kept");
  require(HashPattern::parse(pattern->text()) == pattern, "the same text, the same pattern");
  const cppx::routing::HashInput input{.request = head, .client_address = "192.0.2.1"};
  require(pattern->hash(input) == pattern->hash(input), "the same request, the same hash");
  return 0;
}
