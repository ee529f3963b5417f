#include <array>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http1/head_writer.h"
#include "proxy/codec/http2/head_writer.h"

namespace cppx::proxy::http2 {
namespace {

std::string text_of(const FieldList& list) {
  REQUIRE(list.ok());
  std::string text;
  for (const Field& field : list.all())
    text.append(field.name).append(": ").append(field.value).append("\n");
  return text;
}

constexpr ForwardedInfo kForwarded{
    .client_address = "192.0.2.1", .scheme = "https", .port = "443", .request_id = "0123"
};

std::string request_sent(const std::string& text) {
  http1::HeadParser parser(http1::HeadParser::Kind::kRequest);
  routing::RequestHead head;
  REQUIRE(parser.parse(text) == http1::HeadParser::Status::kDone);
  REQUIRE(http1::validate_request(parser, text, head) == 0);
  std::array<char, 256> scratch;
  FieldList out(scratch);
  write_request_head(out, head, kForwarded);
  return text_of(out);
}

std::string response_sent(const std::string& text, const ResponsePlan& plan) {
  http1::HeadParser parser(http1::HeadParser::Kind::kResponse);
  routing::ResponseHead head;
  REQUIRE(parser.parse(text) == http1::HeadParser::Status::kDone);
  REQUIRE(http1::validate_response(parser, text, false, head));
  std::array<char, 256> scratch;
  FieldList out(scratch);
  write_response_head(out, head, plan);
  return text_of(out);
}

const std::string kTold =
    "X-Request-ID: 0123\nX-Real-IP: 192.0.2.1\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Host: a:81\n"
    "X-Forwarded-Port: 443\nX-Forwarded-Proto: https\nX-Forwarded-Scheme: https\nX-Scheme: https\n";
const std::string kPseudo = ":scheme: https\n:authority: a:81\n:path: /a?b\n";

}  // namespace

TEST_CASE("http2 write_request_head: pseudo fields, what we tell, the client's others", "[proxy]") {
  CHECK(
      request_sent(
          "GET /a?b HTTP/1.1\r\nHost: a:81\r\nAccept: x\r\nX_Under: c\r\nConnection: close, B\r\n"
          "B: 1\r\nUpgrade: x\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Real-IP: 6.6.6.6\r\n\r\n"
      ) == ":method: GET\n" + kPseudo + kTold + "Accept: x\n"
  );
  CHECK(
      request_sent("GET http://a:81?b HTTP/1.1\r\nHost: a:81\r\n\r\n") ==
      ":method: GET\n:scheme: https\n:authority: a:81\n:path: /?b\n" + kTold
  );
}

TEST_CASE("http2 write_request_head: length, trailers, the client's way here", "[proxy]") {
  CHECK(
      request_sent(
          "POST /a?b HTTP/1.1\r\nHost: a:81\r\nContent-Length: 12\r\nTE: trailers, deflate\r\n"
          "Trailer: c\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n"
      ) == ":method: POST\n" + kPseudo + kTold +
               "X-Original-Forwarded-For: 1.1.1.1, 2.2.2.2\nTrailer: c\nte: trailers\n"
               "content-length: 12\n"
  );
  CHECK(
      request_sent("POST /a?b HTTP/1.1\r\nHost: a:81\r\nTransfer-Encoding: chunked\r\n\r\n") ==
      ":method: POST\n" + kPseudo + kTold
  );
}

TEST_CASE("http2 write_response_head: as HTTP/1 but for the connection", "[proxy]") {
  const std::string response =
      "HTTP/1.1 200 OK\r\nDate: then\r\nServer: s\r\nETag: x\r\nConnection: keep-alive, Hop\r\n"
      "Hop: y\r\nTE: gzip\r\nX-Accel-Redirect: /z\r\nStrict-Transport-Security: "
      "b\r\nContent-Length: 5\r\n\r\n";
  CHECK(
      response_sent(response, {.date = "now"}) ==
      "date: now\nETag: x\nStrict-Transport-Security: b\ncontent-length: 5\n"
  );
  CHECK(
      response_sent(response, {.date = "now", .strict_transport_security = "a"}) ==
      "date: now\nETag: x\nstrict-transport-security: a\ncontent-length: 5\n"
  );
  CHECK(
      response_sent(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\n\r\n",
          {.chunked = true, .date = "now"}
      ) == "date: now\nTrailer: t\n"
  );
}

TEST_CASE("http2 write_response_head: 101 to a client of HTTP/2", "[proxy]") {
  CHECK(
      response_sent(
          "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: p\r\n\r\n",
          {.upgrade = true, .date = "now"}
      ) == "date: now\nSec-WebSocket-Protocol: p\n"
  );
}

TEST_CASE("http2 FieldList: says when there is no room", "[proxy]") {
  std::array<char, 4> scratch;
  FieldList numbers(scratch);
  numbers.number("a", 1234);
  CHECK(numbers.ok());
  numbers.number("a", 1);
  CHECK_FALSE(numbers.ok());
  CHECK(numbers.all().size() == 1);
  FieldList fields(scratch);
  for (std::size_t i = 0; i < FieldList::kMaxFields; ++i) fields.field("a", "b");
  CHECK(fields.ok());
  fields.field("a", "b");
  CHECK_FALSE(fields.ok());
}

TEST_CASE("http1 write_request_head: the WebSocket key for a client of HTTP/2", "[proxy]") {
  routing::RequestHead head;
  head.method = "GET";
  head.target = head.path = "/";
  head.host = "a";
  head.upgrade = true;
  head.upgrade_protocol = "websocket";
  std::array<char, 1024> memory;
  http1::HeadBuffer out(memory);
  ForwardedInfo forwarded = kForwarded;
  forwarded.websocket_key = "AAAAAAAAAAAAAAAAAAAAAA==";
  http1::write_request_head(out, head, forwarded);
  CHECK(
      out.text().find("Connection: upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n") != std::string_view::npos
  );
}

}  // namespace cppx::proxy::http2
