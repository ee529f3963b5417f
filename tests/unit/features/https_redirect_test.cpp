#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "features/https_redirect/filter.h"

namespace cppx::features {
namespace {

TEST_CASE("https redirect: to the same host and target, one slash at the end cut", "[features]") {
  const struct {
    std::string_view host, target, location;
  } cases[] = {
      {"www.example.com", "/", "https://www.example.com"},
      {"www.example.com", "/a", "https://www.example.com/a"},
      {"www.example.com", "/a/", "https://www.example.com/a"},
      {"www.example.com", "/a//", "https://www.example.com/a/"},
      {"www.example.com", "//", "https://www.example.com/"},
      {"www.example.com", "/a?b=c&d", "https://www.example.com/a?b=c&d"},
      {"www.example.com", "/a/?b", "https://www.example.com/a/?b"},
      {"www.example.com", "/a?next=/", "https://www.example.com/a?next="},
      {"www.example.com", "/?", "https://www.example.com/?"},
      {"WWW.Example.com", "/A", "https://WWW.Example.com/A"},
      {"[::1]", "/a", "https://[::1]/a"},
      // The target goes out as it came: nothing is decoded on the way to the Location header.
      {"a.b", "/a%2Fb/%0d%0aX:y/../c", "https://a.b/a%2Fb/%0d%0aX:y/../c"},
      {"a.b", "//evil.example/a", "https://a.b//evil.example/a"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.host, c.target);
    const Respond answer = redirect_to_https(
        {},
        {.tls = false, .host = "inner", .public_host = c.host, .target = c.target, .path = "/unused"
        }
    );
    CHECK(answer.status == 308);
    CHECK(answer.location == c.location);
  }
}

TEST_CASE("https redirect: the policy may keep the slash and choose the status", "[features]") {
  HttpsRedirectPolicy policy;
  policy.preserve_trailing_slash = true;
  policy.status = 301;
  for (const std::string_view target : {"/", "/a/", "/a//", "/a?next=/"}) {
    const Respond answer = redirect_to_https(
        policy, {.tls = false, .host = "a.b", .public_host = "a.b", .target = target, .path = "/"}
    );
    CHECK(answer.status == 301);
    CHECK(answer.location == "https://a.b" + std::string(target));
  }
}

TEST_CASE("https redirect: what is not http for users goes on", "[features]") {
  for (const std::string_view scheme : {"https", "HTTP", "http, https", "wss"}) {
    CAPTURE(scheme);
    const RequestView request{
        .tls = false,
        .scheme = scheme,
        .host = "a.b",
        .public_host = "a.b",
        .target = "/",
        .path = "/"
    };
    const Respond answer = redirect_to_https({}, request);
    CHECK(answer.status == 0);
    CHECK(answer.location.empty());
  }
}

TEST_CASE("https redirect: over TLS too where a trusted proxy says http", "[features]") {
  const RequestView request{
      .tls = true,
      .scheme = "http",
      .host = "a.b",
      .public_host = "c.d",
      .target = "/x",
      .path = "/x"
  };
  CHECK(redirect_to_https({}, request).location == "https://c.d/x");
}

}  // namespace
}  // namespace cppx::features
