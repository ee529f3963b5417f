#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "features/session_affinity/cookie.h"
#include "features/session_affinity/policy.h"

namespace cppx::features {
namespace {

constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'769'000'000)};

std::string set_cookie(
    const SessionAffinity& affinity, bool tls = false, std::string_view agent = {}
) {
  std::string out;
  append_set_cookie(
      affinity, {.key = 0x1234, .pool = 0xabcd, .tls = tls, .user_agent = agent, .now = kNow}, out
  );
  return out;
}

}  // namespace

TEST_CASE("append_set_cookie: what is set is said", "[features]") {
  constexpr std::string_view kValue = "0000000000001234|000000000000abcd";
  CHECK(set_cookie({}) == "INGRESSCOOKIE=" + std::string(kValue) + "; Path=/; HttpOnly");
  CHECK(
      set_cookie({}, true) == "INGRESSCOOKIE=" + std::string(kValue) + "; Path=/; Secure; HttpOnly"
  );
  const SessionAffinity all{
      .cookie_name = "route",
      .path = "/shop",
      .domain = "example.com",
      .expires_seconds = 172'800,
      .max_age_seconds = 3'600,
      .secure = true,
      .same_site = SameSite::kStrict
  };
  CHECK(
      set_cookie(all) == "route=" + std::string(kValue) +
                             "; Expires=Fri, 23-Jan-26 12:53:20 GMT; Max-Age=3600; "
                             "Domain=example.com; Path=/shop; Secure; HttpOnly; SameSite=Strict"
  );
}

TEST_CASE("append_set_cookie: SameSite=None only where it is understood", "[features]") {
  constexpr std::string_view kOld =
      "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/51.0.2704.103 Safari/537.36";
  constexpr std::string_view kNew =
      "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36";
  constexpr std::string_view kPhone =
      "Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) Version/12.1 Safari/604.1";
  constexpr std::string_view kTablet =
      "Mozilla/5.0 (iPad; CPU OS 12_4 like Mac OS X) Version/12.1 Safari/604.1";
  constexpr std::string_view kMac =
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) Version/12.1 Safari/605.1.15";
  constexpr std::string_view kMacChrome =
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) Chrome/99.0 Safari/537.36";
  SessionAffinity affinity{.same_site = SameSite::kNone};
  const auto says_none = [&](std::string_view agent) {
    return set_cookie(affinity, true, agent).ends_with("; SameSite=None");
  };
  CHECK(says_none(kOld));
  affinity.conditional_same_site_none = true;
  for (const auto agent : {kOld, kPhone, kTablet, kMac}) CHECK_FALSE(says_none(agent));
  for (const auto agent : {kNew, kMacChrome, std::string_view()}) CHECK(says_none(agent));
  affinity.same_site = SameSite::kLax;
  CHECK(set_cookie(affinity, true, kOld).ends_with("; SameSite=Lax"));
}

TEST_CASE("SessionKeyText: there and back, and nothing else", "[features]") {
  for (const std::uint64_t key :
       {std::uint64_t{0}, std::uint64_t{0x0123456789abcdef},
        std::numeric_limits<std::uint64_t>::max()}) {
    CHECK(parse_session_key(SessionKeyText(key).view()) == key);
  }
  for (const std::string_view text :
       {"", "1", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "-123456789abcdef",
        " 123456789abcdef", "0x23456789abcdef"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_session_key(text).has_value());
  }
}

TEST_CASE("session_key: what stands before the bar in the cookie", "[features]") {
  const SessionAffinity affinity;
  const auto key_in = [&](std::string_view cookies) {
    routing::HeaderFields fields;
    fields.push({.name = "Cookie", .value = cookies});
    return std::string(session_key(fields, affinity));
  };
  CHECK(key_in("INGRESSCOOKIE=abc|def").empty() == false);
  CHECK(key_in("INGRESSCOOKIE=abc|def") == "abc");
  CHECK(key_in("a=b; INGRESSCOOKIE=whatever") == "whatever");
  CHECK(key_in("INGRESSCOOKIE=").empty());
  CHECK(key_in("INGRESSCOOKIE=|x").empty());
  CHECK(key_in("ingresscookie=x").empty());
  CHECK(key_in("").empty());
}

TEST_CASE("Cookie attributes: what cannot stand in a line is refused", "[features]") {
  CHECK(is_cookie_name("INGRESSCOOKIE"));
  CHECK(is_cookie_name("__Host-route"));
  for (const std::string_view name : {"", "a b", "a;b", "a=b", "a,b", "a\"", "\xc3\xa9", "a\r\nb"})
    CHECK_FALSE(is_cookie_name(name));
  CHECK(is_cookie_path("/"));
  CHECK(is_cookie_path("/shop/(.*)"));
  for (const std::string_view path : {"", "shop", "/a;b", "/a b", "/a\nb", "/\x7f"})
    CHECK_FALSE(is_cookie_path(path));
  CHECK(is_cookie_domain(".example.com"));
  for (const std::string_view domain : {"", "a;b", "a b", "exam ple.com"})
    CHECK_FALSE(is_cookie_domain(domain));
  CHECK(parse_same_site("lax") == SameSite::kLax);
  CHECK(parse_same_site("None") == SameSite::kNone);
  CHECK_FALSE(parse_same_site("loose").has_value());
}

TEST_CASE("SessionAffinityPolicy says what it is", "[features]") {
  CHECK(SessionAffinityPolicy({}).describe() == "INGRESSCOOKIE balanced path=/");
  const SessionAffinity all{
      .cookie_name = "c",
      .persistent = true,
      .change_on_failure = true,
      .legacy_canary = true,
      .path = "/p",
      .domain = "d",
      .expires_seconds = 1,
      .max_age_seconds = 2,
      .secure = true,
      .same_site = SameSite::kNone,
      .conditional_same_site_none = true
  };
  CHECK(
      SessionAffinityPolicy(all).describe() ==
      "c persistent path=/p domain=d expires=1s max-age=2s secure same-site=None conditional "
      "change-on-failure legacy-canary"
  );
}

}  // namespace cppx::features
