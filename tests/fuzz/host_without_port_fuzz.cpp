#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/http/host.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::routing::host_without_port;
using cppx::test::require;

void require_host(std::string_view authority, std::string_view host) {
  require(!host.empty(), "not empty");
  require(host.data() == authority.data(), "a view of the start of the authority");
  require(!host.ends_with('.'), "no trailing dot");
  for (const char c : host)
    require(
        c > ' ' && c < '\x7f' &&
            std::string_view("@/\\?#\"<>^`{|}").find(c) == std::string_view::npos,
        "no character that a host cannot have"
    );
  std::string_view rest = authority.substr(host.size());
  if (rest.starts_with('.')) rest.remove_prefix(1);
  require(rest.empty() || rest.front() == ':', "followed by nothing or a port");
  require(
      rest.find_first_not_of("0123456789", 1) == std::string_view::npos || rest.size() < 2, "digits"
  );
  const bool literal = host.starts_with('[');
  require(literal == host.ends_with(']'), "brackets come in pairs");
  require(literal || host.find_first_of(":[]") == std::string_view::npos, "no colon in a name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string authority(data, data + size);
  const auto host = host_without_port(authority);
  if (!host) return 0;
  require_host(authority, *host);
  const std::string name(*host);
  require(host_without_port(name) == name, "a host alone is its own host");
  require(host_without_port(name + ":8080") == name, "with a port too");
  return 0;
}
