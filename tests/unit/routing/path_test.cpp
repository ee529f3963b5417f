#include "routing/http/path.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using namespace std::string_view_literals;

TEST_CASE("normalize_path: a normal path is returned as it is, in place", "[routing]") {
  for (const auto path :
       {"/"sv, "/a"sv, "/a/"sv, "/a/b.c/d-e_f~"sv, "/a/.hidden"sv, "/a/..b"sv, "/.../a"sv,
        "/a./b."sv, "/a../b.."sv, "/a;b=c/d:e@f"sv, "/\xc3\xa4/\xff"sv, "/A/b"sv, "/a b"sv,
        "/..."sv, "/.a"sv}) {
    CAPTURE(path);
    std::string scratch = "untouched";
    const auto normal = normalize_path(path, scratch);
    REQUIRE(normal.has_value());
    CHECK(*normal == path);
    CHECK(normal->data() == path.data());
    CHECK(scratch == "untouched");
  }
}

TEST_CASE("normalize_path: escapes, dot segments and runs of slashes", "[routing]") {
  const struct {
    std::string_view raw, normal;
  } cases[] = {
      // Percent-decoding.
      {"/%61", "/a"},
      {"/a%20b", "/a b"},
      {"/%C3%A4", "/\xc3\xa4"},
      {"/%c3%a4", "/\xc3\xa4"},
      {"/%7Euser", "/~user"},
      {"/%3F%23", "/?#"},
      {"/%0d%0a", "/\r\n"},
      {"/a%2Fb", "/a%2Fb"},
      {"/a%2fb", "/a%2Fb"},
      {"/%2F", "/%2F"},
      {"/%2f/", "/%2F/"},
      {"/100%25", "/100%25"},
      {"/%252F", "/%252F"},
      {"/%2561", "/%2561"},
      // Runs of slashes.
      {"//", "/"},
      {"///", "/"},
      {"//a", "/a"},
      {"/a//b", "/a/b"},
      {"/a/b//", "/a/b/"},
      {"/a////b///c", "/a/b/c"},
      // Dot segments.
      {"/.", "/"},
      {"/./", "/"},
      {"/./a", "/a"},
      {"/a/.", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/../b", "/b"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/../../c", "/c"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/mid/content=5/../6", "/mid/6"},
      {"/./././a/./", "/a/"},
      // All of them together.
      {"/%2e", "/"},
      {"/%2E/a", "/a"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/%2E./b", "/b"},
      {"/a/.%2e", "/"},
      {"/a//../b", "/b"},
      {"/a/b//..//c", "/a/c"},
      {"/a/.//b", "/a/b"},
      {"/..%2Fa", "/..%2Fa"},
      {"/a/..%2f..%2fb", "/a/..%2F..%2Fb"},
      {"/%2e%2e%2e", "/..."},
      {"/%2e%2ea", "/..a"},
      {"/a/%252e%252e/b", "/a/%252e%252e/b"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.raw);
    std::string scratch;
    const auto normal = normalize_path(c.raw, scratch);
    REQUIRE(normal.has_value());
    CHECK(*normal == c.normal);
    std::string again;
    CHECK(normalize_path(*normal, again) == *normal);
  }
}

TEST_CASE("normalize_path: what cannot be served", "[routing]") {
  for (const auto raw : {
           ""sv,          "a"sv,      "*"sv,     "?a"sv,       "%2Fa"sv,
           "http://a/"sv,  // no path
           "/%"sv,        "/%4"sv,    "/a%"sv,   "/%zz"sv,     "/%4g"sv,
           "/%g4"sv,      "/%%41"sv,  "/% 41"sv, "/%-1"sv,     "/%4/1"sv,
           "/%2"sv,       "/%2/F"sv,                         // bad escapes
           "/%00"sv,      "/a%00b"sv, "/a\0b"sv, "/a/\0"sv,  // NUL
           "/.."sv,       "/../"sv,   "/../a"sv, "/a/../.."sv, "/a/../../b"sv,
           "/%2e%2e"sv,   "/.%2E/"sv, "//.."sv,  "/./.."sv,    "/a/b/../../../c"sv,
       }) {
    CAPTURE(raw);
    std::string scratch;
    CHECK_FALSE(normalize_path(raw, scratch).has_value());
  }
}

TEST_CASE("normalize_path: a bad escape is refused even where dots would remove it", "[routing]") {
  std::string scratch;
  CHECK_FALSE(normalize_path("/%zz/../a", scratch).has_value());
  CHECK_FALSE(normalize_path("/%00/../a", scratch).has_value());
}

TEST_CASE("normalize_path: the scratch of an earlier path does not show", "[routing]") {
  std::string scratch;
  CHECK(normalize_path("/a/b/%63/d/e", scratch) == "/a/b/c/d/e");
  CHECK(normalize_path("/x//y", scratch) == "/x/y");
  CHECK(normalize_path("/%7e", scratch) == "/~");
}

TEST_CASE("normalize_path: long paths", "[routing]") {
  std::string scratch;
  const std::string deep(100'000, '/');
  CHECK(normalize_path(deep, scratch) == "/");
  std::string up;
  for (int i = 0; i < 10'000; ++i) up += "/a";
  std::string down = up;
  for (int i = 0; i < 10'000; ++i) down += "/..";
  CHECK(normalize_path(up, scratch) == up);
  CHECK(normalize_path(down, scratch) == "/");
  CHECK_FALSE(normalize_path(down + "/..", scratch).has_value());
}

}  // namespace
}  // namespace cppx::routing
