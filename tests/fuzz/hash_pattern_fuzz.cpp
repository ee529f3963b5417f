// The first line is a pattern of upstream-hash-by, the second a request target, the others are
// header fields of the request.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/balance/hash_pattern.h"
#include "routing/http/cookie.h"
#include "tests/fuzz/request_text.h"
#include "tests/fuzz/require.h"

using cppx::routing::HashPattern;
using cppx::test::require;
using cppx::test::take_line;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::string_view pattern_text = take_line(text);
  cppx::routing::RequestHead head;
  head.host = "www.example.com";
  cppx::test::take_request(text, head);
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
