#include "proxy/codec/http1/head_parser.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "proxy/codec/http1/head_validator.h"

namespace cppx::proxy::http1 {
namespace {

using routing::BodyFraming;
using Status = HeadParser::Status;

struct Parsed {
  Status status = Status::kNeedMore;
  std::uint16_t refused = 0;  // by the validator
  std::size_t head_bytes = 0;
  routing::RequestHead head;
};

/// `text` stays alive with the caller: the head views into it.
void parse_request(std::string_view text, Parsed& out, std::size_t step = 0) {
  HeadParser parser(HeadParser::Kind::kRequest);
  for (std::size_t size = step == 0 ? text.size() : step;; size += step) {
    size = std::min(size, text.size());
    out.status = parser.parse(text.substr(0, size));
    if (out.status != Status::kNeedMore || size == text.size()) break;
  }
  if (out.status != Status::kDone) return;
  out.head_bytes = parser.head_bytes();
  out.refused = validate_request(parser, text.substr(0, parser.head_bytes()), out.head);
}

/// The status a client is refused with, by the parser or by the validator; 0: accepted.
int verdict(std::string_view text) {
  Parsed parsed;
  parse_request(text, parsed);
  if (parsed.status == Status::kMalformed) return 400;
  REQUIRE(parsed.status == Status::kDone);
  return parsed.refused;
}

}  // namespace

TEST_CASE("HeadParser: stops right behind the head, whatever way the bytes come", "[proxy]") {
  const std::string head =
      "POST /a/b?c=d HTTP/1.1\r\nHost: www.example.com:8080\r\nX-Empty:\r\nX-Two:  a \tb  "
      "\r\nContent-Length: 5\r\n\r\n";
  const std::string text = head + "helloGET / HTTP/1.1\r\n";
  const std::size_t step = GENERATE(0U, 1U, 2U, 7U, 64U);
  Parsed parsed;
  parse_request(text, parsed, step);
  REQUIRE(parsed.status == Status::kDone);
  REQUIRE(parsed.refused == 0);
  CHECK(parsed.head_bytes == head.size());
  CHECK(parsed.head.method == "POST");
  CHECK(parsed.head.target == "/a/b?c=d");
  CHECK(parsed.head.path == "/a/b");
  CHECK(parsed.head.host == "www.example.com:8080");
  CHECK(parsed.head.framing == BodyFraming::kLength);
  CHECK(parsed.head.content_length == 5);
  CHECK_FALSE(parsed.head.idempotent);
  REQUIRE(parsed.head.fields.size() == 4);
  CHECK(parsed.head.fields.all()[1].name == "X-Empty");
  CHECK(parsed.head.fields.all()[1].value.empty());
  CHECK(parsed.head.fields.all()[2].value == "a \tb");
}

TEST_CASE("HeadParser: only whole empty lines may stand in front", "[proxy]") {
  const std::size_t step = GENERATE(0U, 1U, 2U, 3U);
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const char* front : {"", "\r\n", "\r\n\r\n"}) {
    const std::string text = front + head;
    Parsed parsed;
    parse_request(text, parsed, step);
    CHECK((parsed.status == Status::kDone && parsed.refused == 0));
    CHECK(parsed.head_bytes == text.size());
    CHECK(parsed.head.method == "GET");
  }
  for (const char* front : {"\r", "\n", "\r\r\n", "\n\r\n", "\r\n\r", "\r\n\n"}) {
    const std::string text = front + head;
    Parsed parsed;
    parse_request(text, parsed, step);
    CHECK(parsed.status == Status::kMalformed);
  }
  HeadParser parser(HeadParser::Kind::kRequest);
  CHECK(parser.parse("\r\n\r") == Status::kNeedMore);
}

TEST_CASE("HeadParser: can be used again after a message and after an error", "[proxy]") {
  HeadParser parser(HeadParser::Kind::kRequest);
  REQUIRE(parser.parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == Status::kDone);
  parser.reset();
  REQUIRE(parser.parse("nonsense\r\n\r\n") == Status::kMalformed);
  parser.reset();
  REQUIRE(parser.parse("GET /b HTTP/1.1\r\nHost: b\r\n\r\n") == Status::kDone);
  CHECK(parser.field_count() == 1);
}

TEST_CASE(
    "HeadValidator: requests that two parsers could read differently are refused", "[proxy]"
) {
  struct Case {
    const char* what;
    std::string text;
    int verdict;
  };
  const std::string line = "GET / HTTP/1.1\r\n";
  const std::string host = "Host: a\r\n";
  const auto many = [](int commas) {
    std::string text;
    for (int i = 0; i < commas; ++i) text += ",x";
    return text;
  };
  const auto test = GENERATE_COPY(values<Case>({
      {"plain", line + host + "\r\n", 0},
      {"lower-case and odd order", line + "accept: */*\r\nhost: a\r\n\r\n", 0},
      {"content-length and transfer-encoding",
       line + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"transfer-encoding and content-length",
       line + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
      {"two equal content-lengths", line + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
       400},
      {"list of content-lengths", line + host + "Content-Length: 3, 3\r\n\r\n", 400},
      {"signed content-length", line + host + "Content-Length: +3\r\n\r\n", 400},
      {"hexadecimal content-length", line + host + "Content-Length: 0x3\r\n\r\n", 400},
      {"content-length over 63 bits", line + host + "Content-Length: 9223372036854775808\r\n\r\n",
       400},
      {"content-length over 64 bits", line + host + "Content-Length: 99999999999999999999\r\n\r\n",
       400},
      {"empty content-length", line + host + "Content-Length: \r\n\r\n", 400},
      {"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 0},
      {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
       501},
      {"chunked not last",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 400},
      {"xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
      {"two transfer-encodings",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n",
       400},
      {"transfer-encoding in 1.0",
       "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"vertical tab before chunked",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
       "chunked\r\n\r\n",
       400},
      {"bare CR in a value", line + host + "X: a\rb\r\n\r\n", 400},
      {"bare CR and another field", line + host + "X: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
      {"bare LF as line end", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"bare LF in a field", line + "Host: a\nX: b\r\n\r\n", 400},
      {"obs-fold", line + host + "X: a\r\n b\r\n\r\n", 400},
      {"obs-fold with tab", line + host + "X: a\r\n\tb\r\n\r\n", 400},
      {"obs-fold of an empty value", line + host + "X:\r\n b\r\n\r\n", 400},
      {"space before the colon", line + "Host : a\r\n\r\n", 400},
      {"space before the name", line + " Host: a\r\n\r\n", 400},
      {"NUL in a value", line + host + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"NUL in a name", line + host + std::string("X\0: b\r\n\r\n", 9), 400},
      {"empty name", line + host + ": b\r\n\r\n", 400},
      {"no colon", line + host + "nonsense\r\n\r\n", 400},
      {"no host", line + "\r\n", 400},
      {"two hosts", line + host + "Host: b\r\n\r\n", 400},
      {"empty host", line + "Host:\r\n\r\n", 400},
      {"host with a path", line + "Host: a/b\r\n\r\n", 400},
      {"host with userinfo", line + "Host: u@a\r\n\r\n", 400},
      {"host with a bad port", line + "Host: a:99999\r\n\r\n", 400},
      {"1.0 without host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"absolute form", "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"absolute form without a path", "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"ICE", "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n", 400},
      {"RTSP", "OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n", 400},
      {"obs-fold of a field that frames", line + host + "Transfer-Encoding:\r\n chunked\r\n\r\n",
       400},
      {"LF ends the head", line + host + "X: a\r\n\n", 400},
      {"absolute form that differs", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"absolute form with userinfo", "GET http://u@a/x HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"other scheme", "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"fragment", "GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400},
      {"trace", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400},
      {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"version 0.9", "GET /\r\n\r\n", 400},
      {"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"its method", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"unknown method", "NON-SENSE_ / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"other protocol", "SETUP / RTSP/1.0\r\nHost: a\r\n\r\n", 400},
      {"one more", "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n", 400},
      {"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"options of the connection",
       line + host + "Connection: a" + many(62) + "\r\nConnection: b\r\n\r\n", 0},
      {"more of them", line + host + "Connection: a" + many(63) + "\r\nConnection: b\r\n\r\n", 400},
      {"control character in the method", "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TLS", "\x16\x03\x01", 400},
      {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
  }));
  INFO(test.what);
  CHECK(verdict(test.text) == test.verdict);
}

TEST_CASE("HeadParser: the method of a head that is malformed behind it", "[proxy]") {
  HeadParser parser(HeadParser::Kind::kRequest);
  CHECK(parser.method("HE").empty());
  for (const std::string_view text :
       {"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n", "HEAD / HTTP/9.9\r\n\r\n", "HEAD /"}) {
    parser.reset();
    CHECK(parser.parse(text) != Status::kDone);
    CHECK(parser.method(text) == "HEAD");
  }
}

TEST_CASE("HeadParser: more fields than allowed", "[proxy]") {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 127; ++i) text += "X-" + std::to_string(i) + ": b\r\n";
  CHECK(verdict(text + "\r\n") == 0);
  HeadParser parser(HeadParser::Kind::kRequest);
  text += "One-Too-Many: b\r\n\r\n";
  CHECK(parser.parse(text) == Status::kTooManyFields);
}

TEST_CASE("HeadValidator: connection options of requests", "[proxy]") {
  struct Case {
    std::string text;
    bool keep_alive;
    bool upgrade;
  };
  const auto test = GENERATE(values<Case>({
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", false, false},
      {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false, false},
      {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", true, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
       true, true},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", true, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
       true, false},
      {"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: "
       "1\r\n\r\n",
       true, false},
  }));
  INFO(test.text);
  Parsed parsed;
  parse_request(test.text, parsed);
  REQUIRE(parsed.status == Status::kDone);
  REQUIRE(parsed.refused == 0);
  CHECK(parsed.head.keep_alive == test.keep_alive);
  CHECK(parsed.head.upgrade == test.upgrade);
}

TEST_CASE("HeadValidator: responses", "[proxy]") {
  struct Case {
    const char* what;
    std::string text;
    bool to_head;
    bool good;
    BodyFraming framing;
    bool keep_alive;
  };
  const auto test = GENERATE(values<Case>({
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, true, BodyFraming::kLength,
       true},
      {"length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, true, BodyFraming::kNone,
       true},
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, true,
       BodyFraming::kChunked, true},
      {"until close", "HTTP/1.1 200 OK\r\n\r\n", false, true, BodyFraming::kUntilClose, false},
      {"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, true, BodyFraming::kNone,
       true},
      {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, true, BodyFraming::kLength,
       false},
      {"1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
       false, true, BodyFraming::kLength, true},
      {"close", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", false, true,
       BodyFraming::kLength, false},
      {"to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, true, BodyFraming::kNone,
       true},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", false, true, BodyFraming::kNone, true},
      {"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false, true,
       BodyFraming::kNone, true},
      {"both framings",
       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false, false,
       BodyFraming::kNone, false},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", false,
       false, BodyFraming::kNone, false},
      {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, false,
       BodyFraming::kNone, false},
      {"obs-fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", false, false,
       BodyFraming::kNone, false},
      {"status 099", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", false, false,
       BodyFraming::kNone, false},
      {"status 600", "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", false, false,
       BodyFraming::kNone, false},
      {"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, false, BodyFraming::kNone,
       false},
      {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, false, BodyFraming::kNone, false},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, false, BodyFraming::kNone, false
      },
  }));
  INFO(test.what);
  HeadParser parser(HeadParser::Kind::kResponse);
  routing::ResponseHead head;
  const auto status = parser.parse(test.text);
  const bool good =
      status == Status::kDone && validate_response(parser, test.text, test.to_head, head);
  REQUIRE(good == test.good);
  if (!good) return;
  CHECK(head.framing == test.framing);
  CHECK(head.keep_alive == test.keep_alive);
}

}  // namespace cppx::proxy::http1
