#include "base/memory.h"

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/base/fake_root.h"

namespace cppx {
namespace {

TEST_CASE("resident_bytes: grows by what is touched", "[base]") {
  constexpr std::size_t kBytes = 64 * 1024 * 1024;
  const std::uint64_t before = resident_bytes();
  CHECK(before > 100'000);
  const std::vector<char> touched(kBytes, 'x');
  CHECK(touched.back() == 'x');
  CHECK(resident_bytes() > before + kBytes / 2);
}

TEST_CASE("resident_bytes: known again as soon as a file can be opened", "[base]") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  resident_bytes();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(resident_bytes() > 100'000);
}

TEST_CASE("cgroup_memory_limit: v2, v1, and none", "[base]") {
  const struct {
    std::string_view file, text;
    std::optional<std::uint64_t> limit;
  } cases[] = {
      {"sys/fs/cgroup/memory.max", "max\n", std::nullopt},
      {"sys/fs/cgroup/memory.max", "536870912\n", 536'870'912},
      {"sys/fs/cgroup/memory.max", "0\n", std::nullopt},
      {"sys/fs/cgroup/memory.max", "", std::nullopt},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n", 536'870'912},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", std::nullopt},
      {"sys/fs/cgroup/other", "1\n", std::nullopt},
  };
  for (const auto& c : cases) {
    CAPTURE(c.file, c.text);
    const FakeRoot root;
    root.write(c.file, c.text);
    CHECK(cgroup_memory_limit(root.path()) == c.limit);
  }
}

}  // namespace
}  // namespace cppx
