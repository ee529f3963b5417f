#include "routing/http/host.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using namespace std::string_view_literals;

TEST_CASE("host_without_port: valid hosts", "[routing]") {
  const struct {
    std::string_view authority, host;
  } cases[] = {
      {"example.com", "example.com"},
      {"example.com:80", "example.com"},
      {"example.com:0", "example.com"},
      {"example.com:65535", "example.com"},
      {"example.com:00080", "example.com"},
      {"example.com:", "example.com"},
      {"example.com.", "example.com"},
      {"example.com.:8080", "example.com"},
      {"Example.COM:443", "Example.COM"},
      {"localhost", "localhost"},
      {"a", "a"},
      {"_", "_"},
      {"x-1_y.example.com", "x-1_y.example.com"},
      {"a%20b.example.com", "a%20b.example.com"},
      {"a!$&'()*+,;=~.b", "a!$&'()*+,;=~.b"},
      {"10.0.0.1", "10.0.0.1"},
      {"10.0.0.1:8080", "10.0.0.1"},
      {"[::1]", "[::1]"},
      {"[::1]:8080", "[::1]"},
      {"[::1]:", "[::1]"},
      {"[FD00::a:1]:1", "[FD00::a:1]"},
      {"[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]"},
      {"[1:2:3:4:5:6:7:8]:80", "[1:2:3:4:5:6:7:8]"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.authority);
    const auto host = host_without_port(c.authority);
    REQUIRE(host.has_value());
    CHECK(*host == c.host);
    CHECK(host->data() == c.authority.data());
  }
}

TEST_CASE("host_without_port: what is not a host", "[routing]") {
  for (const auto authority : {
           // Empty, and names with empty labels.
           ""sv,
           "."sv,
           ":"sv,
           ":80"sv,
           ".:80"sv,
           ".."sv,
           "a..b"sv,
           ".a"sv,
           "a..:80"sv,
           "example.com.."sv,
           // Ports.
           "a:b"sv,
           "a:65536"sv,
           "a:99999999999999999999"sv,
           "a:-1"sv,
           "a:+1"sv,
           "a: 80"sv,
           "a:80 "sv,
           "a:80:80"sv,
           "a::80"sv,
           "a:8 0"sv,
           "[::1]:x"sv,
           "[::1]80"sv,
           "[::1]:65536"sv,
           "[::1] "sv,
           // Userinfo, whole URIs, lists, bad characters.
           "user@example.com"sv,
           "u:p@example.com"sv,
           "http://example.com"sv,
           "a/b"sv,
           "a\\b"sv,
           "a?b"sv,
           "a#b"sv,
           "a b"sv,
           " a"sv,
           "a "sv,
           "a\tb"sv,
           "a\rb"sv,
           "a\nb"sv,
           "a\0b"sv,
           "a\0"sv,
           "\x7f"sv,
           "a\"b"sv,
           "a<b"sv,
           "a>b"sv,
           "a^b"sv,
           "a`b"sv,
           "a{b"sv,
           "a|b"sv,
           "a}b"sv,
           "\xc3\xa4.com"sv,
           "a%"sv,
           "a%2"sv,
           "a%zz"sv,
           "a%2g"sv,
           "%4.a"sv,
           // IPv6.
           "::1"sv,
           "fd00::1"sv,
           "["sv,
           "]"sv,
           "[]"sv,
           "[::1"sv,
           "::1]"sv,
           "[::1]]"sv,
           "[[::1]]"sv,
           "[:::1]"sv,
           "[1:2:3:4:5:6:7:8:9]"sv,
           "[fe80::1%25eth0]"sv,
           "[fe80::1%eth0]"sv,
           "[10.0.0.1]"sv,
           "[v1.a:b]"sv,
           "[::g]"sv,
           "[::1\0]"sv,
           "[::1].example.com"sv,
           "a[::1]"sv,
           "[ ::1]"sv,
           "[example.com]"sv,
       }) {
    CAPTURE(authority);
    CHECK_FALSE(host_without_port(authority).has_value());
  }
}

TEST_CASE("host_without_port: long input", "[routing]") {
  const std::string label(100'000, 'a');
  CHECK(host_without_port(label) == label);
  CHECK(host_without_port(label + ":1") == label);
  CHECK_FALSE(host_without_port("[" + label + "]").has_value());
  CHECK_FALSE(host_without_port("[" + std::string(100'000, ':') + "]").has_value());
  CHECK_FALSE(host_without_port("a:" + std::string(100'000, '9')).has_value());
}

}  // namespace
}  // namespace cppx::routing
