#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/http/path.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::routing::normalize_path;
using cppx::test::require;

void require_normal(std::string_view path) {
  require(path.starts_with('/'), "starts with a slash");
  for (const char* part : {"//", "/./", "/../"})
    require(path.find(part) == std::string_view::npos, "no empty and no dot segment");
  require(!path.ends_with("/.") && !path.ends_with("/.."), "no dot segment at the end");
  require(path.find('\0') == std::string_view::npos, "no NUL");
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const std::string_view escape = path.substr(at, 3);
    require(escape == "%2F" || escape == "%25", "only a slash and a percent sign stay encoded");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string raw(data, data + size);
  std::string scratch = "left from an earlier path";
  const auto normal = normalize_path(raw, scratch);
  if (!normal) return 0;
  require_normal(*normal);
  require(normal->size() <= raw.size(), "never grows");

  std::string again_scratch;
  const auto again = normalize_path(*normal, again_scratch);
  require(again.has_value() && *again == *normal, "normalising again changes nothing");

  std::string fresh;
  require(normalize_path(raw, fresh) == *normal, "does not depend on the scratch");
  return 0;
}
