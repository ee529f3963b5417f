// The first byte chooses how values are escaped, the first line is a format, the second a request
// line, the third a request target, the others are header fields.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/observe/access_line.h"
#include "tests/fuzz/request_text.h"
#include "tests/fuzz/require.h"

using cppx::test::require;
using cppx::test::take_line;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  using cppx::routing::LogEscape;
  const auto escape = static_cast<LogEscape>(data[0] % 3);
  std::string_view text{reinterpret_cast<const char*>(data + 1), size - 1};
  std::vector<std::string> unknown;
  const cppx::routing::AccessLogSettings settings{
      .escape = escape, .format = cppx::routing::LogFormat::compile(take_line(text), unknown)
  };
  cppx::routing::RequestHead head;
  cppx::proxy::AccessFacts facts{.request = &head, .request_line = take_line(text)};
  // Values hold what a field may not: user names can.
  cppx::test::take_request(text, head);
  const cppx::proxy::LogClock clock;
  std::array<char, 512> memory;
  const std::string_view line = cppx::proxy::access_line(settings, facts, clock, memory);
  require(!line.empty() && line.find('\n') == line.size() - 1, "one line");

  // Literals are the owner's; values alone cannot hold what ends a line or a text.
  const cppx::routing::AccessLogSettings values{
      .escape = escape,
      .format =
          cppx::routing::LogFormat::compile("$request$request_uri$http_a$remote_user", unknown)
  };
  std::string_view made = cppx::proxy::access_line(values, facts, clock, memory);
  made.remove_suffix(1);
  for (const char c : made) {
    const auto byte = static_cast<unsigned char>(c);
    require(byte >= 0x20, "no control characters");
    require(byte < 0x7f || escape != LogEscape::kDefault, "ASCII alone");
  }
  return 0;
}
