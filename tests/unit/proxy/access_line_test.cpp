#include "proxy/observe/access_line.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using routing::LogEscape;

/// A request of every kind of fact, and its lines.
struct Sample {
  Sample() {
    request.method = "GET";
    request.target = "/a%20b?x=1&y=2";
    request.path = "/a%20b";
    request.host = "WWW.Example.com:8080";
    for (const routing::HeaderField& field : std::vector<routing::HeaderField>{
             {"Host", request.host},
             {"User-Agent", "curl/8"},
             {"X-Two", "first"},
             {"X-Two", "second"},
             {"X-Empty", ""},
             {"Cookie", "a=b"},
             {"Content-Type", "text/plain"},
             {"Authorization", "Basic dXNlcjpwYXNz"},  // user:pass
         })
      request.fields.push(field);
    route.path = "/a";
    route.origin = {.ns = "shop", .ingress = "front", .service = "web", .service_port = "http"};
    tries[0].address = *routing::EndpointAddress::parse("10.0.0.1", 80);
    tries[0].status = 502;
    tries[1] = {
        .address = *routing::EndpointAddress::parse("fd00::2", 8080),
        .connect = 1ms,
        .header = 12ms,
        .response = 1345ms,
        .status = 200,
        .response_bytes = 77
    };
    facts = {
        .request = &request,
        .request_line = "GET /a%20b?x=1&y=2 HTTP/1.1",
        .normalized_path = "/a b",
        .protocol = "HTTP/1.1",
        .request_id = "0123",
        .client_address = "192.0.2.1",
        .client_port = 1234,
        .connection_address = "198.51.100.7",
        .announced_address = "203.0.113.9",
        .connection = 42,
        .connection_requests = 3,
        .server_port = 443,
        .over_tls = true,
        .tls = {.protocol = "TLSv1.3", .cipher = "AES", .server_name = "www.example.com"},
        .server_name = "*.example.com",
        .route = &route,
        .status = 200,
        .request_bytes = 500,
        .sent_bytes = 300,
        .sent_body_bytes = 77,
        .duration = 1402ms,
        .tries = tries,
    };
  }

  std::string line(std::string_view format, LogEscape escape = LogEscape::kDefault) {
    std::vector<std::string> unknown;
    const routing::AccessLogSettings settings{
        .escape = escape, .format = routing::LogFormat::compile(format, unknown)
    };
    CHECK(unknown.empty());
    std::array<char, 1024> memory;
    std::string made(access_line(settings, facts, clock, memory));
    REQUIRE(made.ends_with('\n'));
    made.pop_back();
    return made;
  }

  routing::RequestHead request;
  routing::Route route;
  std::array<UpstreamTry, 2> tries;
  AccessFacts facts;
  LogClock clock;
};

/// What the same format gives when nothing is known.
std::string empty_line(std::string_view format, LogEscape escape) {
  Sample sample;
  sample.facts = {};
  return sample.line(format, escape);
}

}  // namespace

TEST_CASE("Access line: every variable", "[proxy]") {
  struct Case {
    std::string_view name;
    std::string_view value;
    std::string_view missing = "-";
  };
  Sample sample;
  for (const Case& one : {
           Case{"arg_y", "2"},
           Case{"args", "x=1&y=2"},
           Case{"body_bytes_sent", "77", "0"},
           Case{"bytes_sent", "300", "0"},
           Case{"connection", "42", "0"},
           Case{"connection_requests", "3", "0"},
           Case{"content_length", "-"},
           Case{"content_type", "text/plain"},
           Case{"cookie_a", "b"},
           Case{"document_uri", "/a b"},
           Case{"host", "www.example.com"},
           Case{"http_host", "WWW.Example.com:8080"},
           Case{"http_user_agent", "curl/8"},
           Case{"http_x_empty", ""},
           Case{"http_x_none", "-"},
           Case{"http_x_two", "first, second"},
           Case{"ingress_name", "front", ""},
           Case{"location_path", "/a", ""},
           Case{"namespace", "shop", ""},
           Case{"proxy_alternative_upstream_name", "", ""},
           Case{"proxy_protocol_addr", "203.0.113.9"},
           Case{"proxy_upstream_name", "shop-web-http", ""},
           Case{"query_string", "x=1&y=2"},
           Case{"realip_remote_addr", "198.51.100.7", ""},
           Case{"remote_addr", "192.0.2.1", ""},
           Case{"remote_port", "1234", ""},
           Case{"remote_user", "user"},
           Case{"req_id", "0123"},
           Case{"request", "GET /a%20b?x=1&y=2 HTTP/1.1"},
           Case{"request_id", "0123"},
           Case{"request_length", "500", "0"},
           Case{"request_method", "GET"},
           Case{"request_time", "1.402", "0.000"},
           Case{"request_uri", "/a%20b?x=1&y=2"},
           Case{"scheme", "https", "http"},
           Case{"server_name", "*.example.com", ""},
           Case{"server_port", "443"},
           Case{"server_protocol", "HTTP/1.1"},
           Case{"service_name", "web", ""},
           Case{"service_port", "http", ""},
           Case{"ssl_cipher", "AES"},
           Case{"ssl_protocol", "TLSv1.3"},
           Case{"ssl_server_name", "www.example.com"},
           Case{"status", "200", "000"},
           Case{"the_real_ip", "192.0.2.1", ""},
           Case{"upstream_addr", "10.0.0.1:80, [fd00::2]:8080"},
           Case{"upstream_connect_time", "-, 0.001"},
           Case{"upstream_header_time", "-, 0.012"},
           Case{"upstream_response_length", "0, 77"},
           Case{"upstream_response_time", "0.000, 1.345"},
           Case{"upstream_status", "502, 200"},
           Case{"uri", "/a b"},
       }) {
    CAPTURE(one.name);
    const std::string format = "$" + std::string(one.name);
    CHECK(sample.line(format) == one.value);
    CHECK(empty_line(format, LogEscape::kDefault) == one.missing);
    const std::string_view nothing = one.missing == "-" ? "" : one.missing;
    CHECK(empty_line(format, LogEscape::kJson) == nothing);
    CHECK(empty_line(format, LogEscape::kNone) == nothing);
  }
  CHECK(sample.line("$pid") == std::to_string(::getpid()));
}

TEST_CASE("Access line: times of day are those of the end of the request", "[proxy]") {
  ::setenv("TZ", "XYZ-05:30", 1);
  ::tzset();
  Sample sample;
  const auto now = std::chrono::steady_clock::now();
  sample.clock.set(now);
  const auto wall = std::chrono::system_clock::now();
  const std::string msec = sample.line("$msec");
  CHECK(
      std::abs(std::stod(msec) - std::chrono::duration<double>(wall.time_since_epoch()).count()) < 5
  );
  CHECK(msec.size() == 14);
  const std::string iso = sample.line("$time_iso8601");
  CHECK(iso.size() == 25);
  CHECK(iso.substr(19) == "+05:30");
  const std::string local = sample.line("$time_local");
  CHECK(local.size() == 26);
  CHECK(local.substr(12, 8) == iso.substr(11, 8));
  CHECK(local.substr(20) == " +0530");
  // Within a second the clocks are not compared again.
  sample.clock.set(now + 500ms);
  CHECK(std::stod(sample.line("$msec")) - std::stod(msec) > 0.499);
  ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE("Access line: what no rule took, and HTTP/2", "[proxy]") {
  Sample sample;
  sample.facts.route = nullptr;
  sample.facts.default_backend = true;
  CHECK(sample.line("[$proxy_upstream_name]") == "[upstream-default-backend]");
  sample.facts.request_line = {};
  sample.facts.protocol = "HTTP/2.0";
  CHECK(sample.line("$request") == "GET /a%20b?x=1&y=2 HTTP/2.0");
}

TEST_CASE("Access line: values of clients are escaped, each form in its way", "[proxy]") {
  struct Case {
    std::string_view value;
    std::string_view usual;
    std::string_view json;
    std::string_view none;
  };
  constexpr std::string_view kNul("\0", 1);
  for (const Case& one : {
           Case{"plain ~", "plain ~", "plain ~", "plain ~"},
           Case{"a\"b", "a\\x22b", "a\\\"b", "a\"b"},
           Case{"\\", "\\x5C", "\\\\", "\\"},
           Case{"\r\n", "\\x0D\\x0A", "\\r\\n", "\\x0D\\x0A"},
           Case{"\t\b\f", "\\x09\\x08\\x0C", "\\t\\b\\f", "\\x09\\x08\\x0C"},
           Case{kNul, "\\x00", "\\u0000", "\\x00"},
           Case{"\x1f", "\\x1F", "\\u001F", "\\x1F"},
           Case{"\x7f", "\\x7F", "\x7f", "\\x7F"},
           Case{"\u00e4", "\\xC3\\xA4", "\u00e4", "\u00e4"},
       }) {
    CAPTURE(one.usual);
    Sample sample;
    sample.facts.request_line = one.value;
    CHECK(sample.line("<$request>") == "<" + std::string(one.usual) + ">");
    CHECK(sample.line("<$request>", LogEscape::kJson) == "<" + std::string(one.json) + ">");
    CHECK(sample.line("<$request>", LogEscape::kNone) == "<" + std::string(one.none) + ">");
  }
}

TEST_CASE("Access line: every byte at every place of a longer value", "[proxy]") {
  Sample sample;
  for (const LogEscape escape : {LogEscape::kDefault, LogEscape::kJson, LogEscape::kNone}) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string one(1, static_cast<char>(byte));
      sample.facts.request_line = one;
      const std::string alone = sample.line("$request", escape);
      for (std::size_t at = 0; at < 20; ++at) {
        std::string text(20, '~');
        std::string expected = text;
        text.replace(at, 1, one);
        expected.replace(at, 1, alone);
        sample.facts.request_line = text;
        if (sample.line("$request", escape) != expected) FAIL(byte << " at " << at);
      }
    }
  }
}

TEST_CASE("Access line: users of credentials that are none are not named", "[proxy]") {
  struct Case {
    std::string_view authorization;
    std::string_view user;
  };
  for (const Case& one : {
           Case{"basic dTo=", "u"},
           Case{"Basic   dXNlcjpwYXNz ", "user"},
           Case{"Basic dXNlcg==", "-"},  // "user", without a colon
           Case{"Basic OnBhc3M=", "-"},  // ":pass"
           Case{"Basic dXN*cjpwYXNz", "-"},
           Case{"Bearer dXNlcjpwYXNz", "-"},
           Case{"Basic", "-"},
           Case{"Basic YQoiOmI=", "a\\x0A\\x22"},
       }) {
    CAPTURE(one.authorization);
    Sample sample;
    sample.request.fields.clear();
    sample.request.fields.push({.name = "Authorization", .value = one.authorization});
    CHECK(sample.line("$remote_user") == one.user);
  }
  Sample sample;
  std::string long_user = "Basic ";
  for (int i = 0; i < 200; ++i) long_user += "YWFh";
  sample.request.fields.push({.name = "authorization", .value = long_user});
  CHECK(sample.line("$remote_user") == std::string(256, 'a'));
}

TEST_CASE("Access line: what is too long is cut and stays one line", "[proxy]") {
  Sample sample;
  const std::string many(5000, '"');
  sample.facts.request_line = many;
  const std::string line = sample.line("<$request> $status");
  CHECK(line.size() == 1023);
  CHECK(line.starts_with("<\\x22\\x22"));
}

}  // namespace cppx::proxy
