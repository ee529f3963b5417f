#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/http/host.h"
#include "routing/http/path.h"
#include "tests/unit/routing/linear_reference.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::test {
namespace {

using routing::PathType;

template <class Work>
std::size_t allocations_of(const Work& work) {
  const std::size_t before = allocation_count();
  work();
  return allocation_count() - before;
}

TEST_CASE("allocation count: sees an allocation", "[routing]") {
  std::unique_ptr<std::string> kept;
  CHECK(allocations_of([&] { kept = std::make_unique<std::string>(100, 'x'); }) == 2);
}

TEST_CASE("look-up: allocates nothing, whatever the host and the path", "[routing]") {
  const routing::RoutingTable table = make_table({
      {"www.example.com", PathType::kPrefix, "/"},
      {"www.example.com", PathType::kPrefix, "/a-rather-long-element-of-a-path/and-another/"},
      {"www.example.com", PathType::kExact, "/a-rather-long-element-of-a-path/and-another/one"},
      {"*.a-rather-long-name-of-a-domain.example.com", PathType::kPrefix, "/foo"},
      {"_", PathType::kExact, "/"},
  });
  const std::string hosts[] = {
      "www.example.com",
      "WWW.EXAMPLE.COM.",
      "x.a-rather-long-name-of-a-domain.example.com",
      "unknown.example.org",
      "",
      std::string(10'000, '.'),
      std::string(250, '.'),
  };
  const std::string paths[] = {
      "/",
      "/a-rather-long-element-of-a-path/and-another",
      "/a-rather-long-element-of-a-path/and-another/one",
      "/foo/" + std::string(10'000, 'x'),
      std::string(10'000, '/'),
  };
  std::size_t matched = 0;
  const std::size_t allocated = allocations_of([&] {
    for (const std::string& host : hosts)
      for (const std::string& path : paths)
        if (table.match(host, path).route != nullptr) ++matched;
  });
  CHECK(allocated == 0);
  CHECK(matched > 10);
}

TEST_CASE("host_without_port: allocates nothing", "[routing]") {
  std::size_t valid = 0;
  const std::size_t allocated = allocations_of([&] {
    for (const std::string_view host :
         {"www.a-rather-long-name-of-a-domain.example.com:8080", "[fd00:1234:5678::1]:443", "a..b",
          "[fd00:1234:5678::", "example.com:123456789012345678901234567890"})
      if (routing::host_without_port(host)) ++valid;
  });
  CHECK(allocated == 0);
  CHECK(valid == 2);
}

TEST_CASE("normalize_path: a normal path allocates nothing", "[routing]") {
  std::string scratch;
  const std::string path = "/a/b/c/" + std::string(1'000, 'x') + "/.well-known/";
  std::string_view normal;
  CHECK(allocations_of([&] { normal = *routing::normalize_path(path, scratch); }) == 0);
  CHECK(normal.data() == path.data());
}

TEST_CASE("normalize_path: a used scratch is used again", "[routing]") {
  std::string scratch;
  scratch.reserve(2'000);
  const std::string path = "/a//b/../%63/" + std::string(1'000, 'x');
  std::string_view normal;
  CHECK(allocations_of([&] { normal = *routing::normalize_path(path, scratch); }) == 0);
  CHECK(normal == "/a/c/" + std::string(1'000, 'x'));
}

}  // namespace
}  // namespace cppx::test
