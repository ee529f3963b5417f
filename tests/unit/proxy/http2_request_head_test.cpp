#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http2/request_head.h"
#include "tests/unit/proxy/http2_peer.h"

namespace cppx::proxy::http2 {
namespace {

using test::FieldText;
using test::Http2Peer;
using Fields = std::vector<FieldText>;

/// What a server makes of HEADERS with these fields: a line of its log, or "reset CODE" when it
/// ends the stream without telling.
std::string judged(const Fields& fields, std::uint8_t flags = test::kEndStream) {
  Http2Peer server(Role::kServer);
  server.get(test::hello());
  server.sent();
  server.get(test::frame(
      test::kHeaders, static_cast<std::uint8_t>(test::kEndHeaders | flags), 1, test::section(fields)
  ));
  if (!server.log.empty()) return server.log.front();
  for (const test::Frame& frame : test::frames_of(server.sent()))
    if (frame.type == test::kRstStream)
      return "reset " + std::to_string(static_cast<int>(frame.payload.at(3)));
  return "nothing";
}

Fields get(const Fields& more = {}) {
  Fields fields{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a.b"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

Fields with_path(std::string_view path, std::string_view method = "GET") {
  return {{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", "a"}};
}

Fields with_authority(std::string_view authority) {
  return {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", authority}};
}

struct Read {
  std::uint16_t refused = 0;
  FieldStore fields;
  routing::RequestHead head;
};

void read(const Fields& fields, bool ended, Read& out) {
  FieldWriter writer;
  writer.start(64 * 1024);
  for (const auto& [name, value] : fields) writer.add(name, value);
  REQUIRE_FALSE(writer.too_large());
  out.fields = writer.finish();
  out.refused = read_request(out.fields, ended, out.head);
}

}  // namespace

TEST_CASE("Http2 request head: what is in order", "[proxy]") {
  CHECK(judged(get()) == "request 1 end");
  CHECK(judged(get(), 0) == "request 1");
  CHECK(judged(get({{"te", "trailers"}})) == "request 1 end");
  CHECK(judged(get({{"host", "A.b"}})) == "request 1 end");
  CHECK(judged(with_path("/a%20b/../c?d=/?")) == "request 1 end");
  CHECK(judged(with_path("/!\"$&'()*+,-.:;<=>@[\\]^_`{|}~")) == "request 1 end");
  CHECK(judged(with_path("/", "M-SEARCH")) == "request 1 end");
  CHECK(judged(with_authority("[::1]:443")) == "request 1 end");
  CHECK(judged(get({{"content-length", "0"}})) == "request 1 end");
  CHECK(judged(get({{"x", ""}})) == "request 1 end");
  CHECK(
      judged({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}}) ==
      "request 1 end"
  );
}

TEST_CASE("Http2 request head: what is answered with an error", "[proxy]") {
  // 400 and 405 as HTTP/1 gives them.
  for (const char* path : {"/a#b", "/\x80", "/\xc3\xa4"}) {
    INFO(path);
    CHECK(judged(with_path(path)) == "bad 1 400");
  }
  CHECK(judged(with_path("*", "OPTIONS")) == "bad 1 400");
  for (const char* authority :
       {"a..b", "a:", "a:b", "a:70000", "[1]", "a/b", "user:pw", ".", "a.b,c d"}) {
    INFO(authority);
    const bool valid_in_http1 = std::string_view(authority) == "a:";
    if (valid_in_http1)
      CHECK(judged(with_authority(authority)) == "request 1 end");
    else
      CHECK_FALSE(judged(with_authority(authority)).starts_with("request"));
  }
  CHECK(judged(with_authority("user@a")) != "request 1 end");
  CHECK(judged(get({{"host", "b"}})) == "bad 1 400");
  CHECK(judged(with_path("/", "get")) == "bad 1 400");
  CHECK(judged(with_path("/", "G+T")) == "bad 1 400");
  CHECK(judged(with_path("/", "TRACE")) == "bad 1 405");
  CHECK(judged({{":method", "CONNECT"}, {":authority", "a:443"}}) == "bad 1 405");
  CHECK(
      judged({{":method", "GET"}, {":scheme", "ftp"}, {":path", "/"}, {":authority", "a"}}) ==
      "bad 1 400"
  );
  CHECK(
      judged({{":method", "GET"}, {":scheme", "ftp"}, {":path", "x"}, {":authority", "a"}}) ==
      "bad 1 400"
  );
  // Fields that nghttp2 would leave out.
  CHECK(judged(get({{"a b", "c"}})) == "bad 1 400");
  CHECK(judged(get({{"", "c"}})) == "bad 1 400");
  CHECK(judged(get({{"a", std::string_view("b\0c", 3)}})) == "bad 1 400");
  CHECK(judged(get({{"a", "b\nc"}})) == "bad 1 400");
  CHECK(judged(get({{"a", "b\rc"}})) == "bad 1 400");
  CHECK(judged(get({{"a", "b\x7f"}})) == "bad 1 400");
  CHECK(judged(get({{"a", " b"}})) == "bad 1 400");
  CHECK(judged(get({{"a", "b\t"}})) == "bad 1 400");
}

TEST_CASE("Http2 request head: what is malformed ends the stream", "[proxy]") {
  const std::string reset = "reset 1";
  CHECK(judged({{":scheme", "http"}, {":path", "/"}, {":authority", "a"}}) == reset);
  CHECK(judged({{":method", "GET"}, {":path", "/"}, {":authority", "a"}}) == reset);
  CHECK(judged({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}) == reset);
  CHECK(judged({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}) == reset);
  for (const char* path : {"", "a", "*", "http://a/", "?a"})
    CHECK(judged(with_path(path)) == reset);
  for (const char* path : {"/a b", "/\x01", "/\x7f", "/\t", "/\r\nx: y"})
    CHECK(judged(with_path(path)) == reset);
  CHECK(judged(with_authority("")) == reset);
  CHECK(judged(with_authority("a b")) == reset);
  CHECK(judged(get({{":path", "/b"}})) == reset);
  CHECK(judged(get({{":status", "200"}})) == reset);
  CHECK(judged(get({{":unknown", "x"}})) == reset);
  CHECK(judged(get({{":protocol", "websocket"}})) == reset);
  CHECK(judged({{"x", "y"}, {":method", "GET"}}) == reset);
  CHECK(judged(get({{"Upper", "x"}})) == reset);
  CHECK(judged(get({{"host", "a.b"}, {"host", "a.b"}})) == reset);
  for (const char* name :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
    CHECK(judged(get({{name, "x"}})) == reset);
  CHECK(judged(get({{"te", "gzip"}})) == reset);
  CHECK(judged(get({{"te", "trailers, gzip"}})) == reset);
  for (const char* length : {"", "x", "-1", "+1", "1, 1", "0x1", "99999999999999999999", "1"})
    CHECK(judged(get({{"content-length", length}})) == reset);  // the last: END_STREAM came
  CHECK(judged(get({{"content-length", "1"}, {"content-length", "1"}}), 0) == reset);
  CHECK(judged({{":method", "CONNECT"}, {":authority", "a"}, {":path", "/"}}) == reset);
}

TEST_CASE("Http2 request head: extended CONNECT", "[proxy]") {
  const auto connect = [](std::string_view protocol, const Fields& more = {}) {
    Fields fields{
        {":method", "CONNECT"},
        {":protocol", protocol},
        {":scheme", "https"},
        {":path", "/"},
        {":authority", "a"}
    };
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  };
  CHECK(judged(connect("websocket"), 0) == "request 1");
  CHECK(judged(connect("websocket")) == "bad 1 400");
  CHECK(judged(connect("websocket", {{"content-length", "5"}}), 0) == "bad 1 400");
  CHECK(judged(connect("h2c"), 0) == "bad 1 400");
  CHECK(judged(connect("a, h2c"), 0) == "bad 1 400");
  CHECK(judged(connect("a b"), 0) == "bad 1 400");
}

TEST_CASE("Http2 request head: the body's length and the method's properties", "[proxy]") {
  Read get_read;
  read(get({{"expect", "100-continue"}}), true, get_read);
  REQUIRE(get_read.refused == 0);
  CHECK(get_read.head.framing == routing::BodyFraming::kNone);
  CHECK_FALSE(get_read.head.expect_continue);
  CHECK(get_read.head.idempotent);
  CHECK(get_read.head.keep_alive);
  CHECK(get_read.head.minor_version == 1);

  Read post;
  Fields fields = get({{"content-length", "12"}, {"expect", "100-Continue"}});
  fields[0].second = "POST";
  read(fields, false, post);
  REQUIRE(post.refused == 0);
  CHECK(post.head.framing == routing::BodyFraming::kLength);
  CHECK(post.head.content_length == 12);
  CHECK(post.head.has_content_length);
  CHECK(post.head.expect_continue);
  CHECK_FALSE(post.head.idempotent);

  Read unknown;
  read(get(), false, unknown);
  CHECK(unknown.head.framing == routing::BodyFraming::kChunked);
  Read none;
  read(get({{"content-length", "0"}}), false, none);
  CHECK(none.head.framing == routing::BodyFraming::kNone);
  CHECK(none.head.has_content_length);
}

TEST_CASE("Http2 request head: cookies become one, all else keeps its place", "[proxy]") {
  Read out;
  read(
      get({{"a", "1"}, {"cookie", "x=1"}, {"b", "2"}, {"cookie", ""}, {"cookie", "y=2"}, {"b", "3"}}
      ),
      true, out
  );
  CHECK(test::text_of(out.head) == "GET /\nhost a.b\na: 1\ncookie: x=1; ; y=2\nb: 2\nb: 3\n");
  Read one;
  read(get({{"cookie", "x=1"}}), true, one);
  CHECK(test::text_of(one.head) == "GET /\nhost a.b\ncookie: x=1\n");
}

TEST_CASE("Http2 request head: too many fields or bytes are 431", "[proxy]") {
  Fields many = get();
  for (std::size_t i = 0; i < routing::kMaxHeaderFields; ++i) many.emplace_back("x", "");
  CHECK(judged(many) == "request 1 end");
  many.emplace_back("x", "");
  CHECK(judged(many) == "bad 1 431");
  Fields cookies = get();
  for (int i = 0; i < 500; ++i) cookies.emplace_back("cookie", "a=b");
  CHECK(judged(cookies) == "request 1 end");
  // 32 for each field count too (RFC 9113 6.5.2).
  const std::size_t others = 4 * 32 + 7 + 3 + 7 + 5 + 5 + 1 + 10 + 3 + 32 + 1;
  std::string value(32 * 1024 - others, 'x');
  const auto frames = [](const Fields& fields) {
    const std::string all = test::section(fields);
    return test::frame(
               test::kHeaders, test::kEndStream, 1, std::string_view(all).substr(0, 16'000)
           ) +
           test::frame(test::kContinuation, 0, 1, std::string_view(all).substr(16'000, 10'000)) +
           test::frame(
               test::kContinuation, test::kEndHeaders, 1, std::string_view(all).substr(26'000)
           );
  };
  for (const bool fits : {true, false}) {
    Http2Peer server(Role::kServer);
    server.get(test::hello() + frames(get({{"x", value}})));
    CHECK(server.log.at(0) == (fits ? "request 1 end" : "bad 1 431"));
    value.push_back('x');
  }
}

TEST_CASE("Http2 request head: a refused request is answered, its body thrown away", "[proxy]") {
  Http2Peer server(Role::kServer);
  server.get(test::hello());
  server.get(test::frame(
      test::kHeaders, test::kEndHeaders, 1,
      test::section({{":method", "POST"}, {":scheme", "http"}, {":path", "/#"}, {":authority", "a"}}
      )
  ));
  for (int i = 0; i < 8; ++i)  // as much as the window holds
    server.get(test::frame(test::kData, 0, 1, std::string(8000, 'x')));
  server.get(test::frame(test::kData, test::kEndStream, 1, "x"));
  CHECK(server.log == std::vector<std::string>{"bad 1 400"});
  CHECK(server.bodies.empty());
  routing::RequestHead head;
  server.heads[1].fill(head);
  CHECK(head.method.empty());
  REQUIRE(server.session.submit_response(1, 400, {}, true));
  std::size_t updates = 0;
  for (const test::Frame& frame : test::frames_of(server.sent()))
    updates += frame.type == test::kWindowUpdate && frame.id == 1 ? 1U : 0U;
  CHECK(updates > 0);
  CHECK(server.log.back() == "closed 1 0");
}

TEST_CASE("Http2 request head: a refused request says whether it was HEAD", "[proxy]") {
  for (const std::uint32_t limit : {1000U, 100U})
    for (const std::string_view method : {"GET", "HEAD"}) {
      Http2Peer server(Role::kServer, {.max_head_bytes = limit});
      const std::string fields = test::section(
          {{":path", "/#"}, {":scheme", "http"}, {":method", method}, {":authority", "a"}}
      );
      server.get(test::hello() + test::frame(test::kHeaders, test::kEndHeaders, 1, fields));
      const std::string status = limit == 100 ? "bad 1 431" : "bad 1 400";
      CHECK(server.log.at(0) == status + (method == "HEAD" ? " head" : ""));
    }
}

TEST_CASE("Http2 request head: a body that is not as long as it says ends the stream", "[proxy]") {
  for (const std::string_view body : {"12345", "123"}) {
    Http2Peer server(Role::kServer);
    server.get(
        test::hello() +
        test::frame(
            test::kHeaders, test::kEndHeaders, 1, test::section(get({{"content-length", "4"}}))
        ) +
        test::frame(test::kData, test::kEndStream, 1, body)
    );
    server.sent();
    CHECK(server.log.front() == "request 1");
    CHECK(server.log.back() == "closed 1 1");
    CHECK(server.count("end") == 0);
  }
}

TEST_CASE("Http2 request head: the same judgement as of HTTP/1", "[proxy]") {
  struct Case {
    const char* method;
    const char* target;
    const char* host;
  };
  for (const Case& c : {
           Case{"GET", "/", "a"},
           Case{"GET", "/", "a:80"},
           Case{"GET", "/", "a:x"},
           Case{"GET", "/", "a..b"},
           Case{"GET", "/", "u@a"},
           Case{"GET", "/", "a_b"},
           Case{"GET", "/", "[::1]"},
           Case{"GET", "/", "[::1"},
           Case{"GET", "/a?b?c", "a"},
           Case{"GET", "/a#c", "a"},
           Case{"GET", "/\"<>[]^`{|}\\", "a"},
           Case{"GET", "/\xe4", "a"},
           Case{"OPTIONS", "*", "a"},
           Case{"OPTIONS", "/", "a"},
           Case{"TRACE", "/", "a"},
           Case{"PATCH", "/", "a"},
           Case{"LOCK", "/", "a"},
           Case{"get", "/", "a"},
       }) {
    const std::string text =
        std::string(c.method) + " " + c.target + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n";
    INFO(text);
    http1::HeadParser parser(http1::HeadParser::Kind::kRequest);
    routing::RequestHead first;
    std::uint16_t refused = 400;
    if (parser.parse(text) == http1::HeadParser::Status::kDone)
      refused = http1::validate_request(parser, text, first);
    Read second;
    read(
        {{":method", c.method}, {":scheme", "http"}, {":path", c.target}, {":authority", c.host}},
        true, second
    );
    CHECK(second.refused == refused);
    if (refused != 0) continue;
    CHECK(second.head.method == first.method);
    CHECK(second.head.target == first.target);
    CHECK(second.head.path == first.path);
    CHECK(second.head.host == first.host);
    CHECK(second.head.idempotent == first.idempotent);
    CHECK(second.head.framing == first.framing);
  }
}

}  // namespace cppx::proxy::http2
