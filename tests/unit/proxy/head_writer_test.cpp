#include "proxy/codec/http1/head_writer.h"

#include <array>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/http1/head_validator.h"

namespace cppx::proxy::http1 {
namespace {

std::string rewritten_request(
    const std::string& text,
    const ForwardedInfo& forwarded =
        {.client_address = "192.0.2.1", .scheme = "https", .port = "443", .request_id = "0123"}
) {
  HeadParser parser(HeadParser::Kind::kRequest);
  routing::RequestHead head;
  REQUIRE(parser.parse(text) == HeadParser::Status::kDone);
  REQUIRE(validate_request(parser, text, head) == 0);
  std::array<char, 4096> memory;
  HeadBuffer out(memory);
  write_request_head(out, head, forwarded);
  REQUIRE(out.ok());
  return std::string(out.text());
}

std::string rewritten_response(const std::string& text, const ResponsePlan& plan) {
  HeadParser parser(HeadParser::Kind::kResponse);
  routing::ResponseHead head;
  REQUIRE(parser.parse(text) == HeadParser::Status::kDone);
  REQUIRE(validate_response(parser, text, false, head));
  std::array<char, 4096> memory;
  HeadBuffer out(memory);
  write_response_head(out, head, plan);
  REQUIRE(out.ok());
  return std::string(out.text());
}

const std::string kForwarded =
    "X-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: "
    "a:81\r\nX-Forwarded-Port: 443\r\n"
    "X-Forwarded-Proto: https\r\nX-Forwarded-Scheme: https\r\nX-Scheme: https\r\n";

}  // namespace

TEST_CASE(
    "write_request_head: own fields first, then the client's in order, case and number", "[proxy]"
) {
  CHECK(
      rewritten_request("GET /a?b HTTP/1.1\r\nhOST: a:81\r\nAccept: x\r\nB: 1\r\nb: 2\r\nX_Under: "
                        "c\r\nX.Dot: d\r\n\r\n"
      ) == "GET /a?b HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: 0123\r\n" + kForwarded +
               "Accept: x\r\nB: 1\r\nb: 2\r\n\r\n"
  );
}

TEST_CASE("write_request_head: host and addresses as a trusted proxy has them", "[proxy]") {
  const std::string sent =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nX-Client: 198.51.100.7\r\n"
      "x-forwarded-for: 192.0.2.1\r\n\r\n";
  const std::string rest =
      "X-Forwarded-Host: b:81\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Proto: s\r\n"
      "X-Forwarded-Scheme: s\r\nX-Scheme: s\r\n";
  ForwardedInfo forwarded{
      .client_address = "192.0.2.1",
      .scheme = "s",
      .port = "1",
      .request_id = "0",
      .host = "b:81",
      .appended_for = "10.0.0.1"
  };
  const std::string begin =
      "GET / HTTP/1.1\r\nHost: b:81\r\nX-Request-ID: 0\r\nX-Real-IP: 192.0.2.1\r\n";
  CHECK(
      rewritten_request(sent, forwarded) ==
      begin + "X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.0.0.1\r\n" + rest +
          "X-Original-Forwarded-For: 203.0.113.9, 192.0.2.1\r\nX-Client: 198.51.100.7\r\n\r\n"
  );
  forwarded.forwarded_for_header = "x-client";
  forwarded.appended_for = {};
  CHECK(
      rewritten_request(sent, forwarded) ==
      begin + "X-Forwarded-For: 192.0.2.1\r\n" + rest +
          "X-Original-Forwarded-For: 198.51.100.7\r\nX-Client: 198.51.100.7\r\n\r\n"
  );
  forwarded.appended_for = "10.0.0.1";
  CHECK(
      rewritten_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", forwarded) ==
      begin + "X-Forwarded-For: 10.0.0.1\r\n" + rest + "\r\n"
  );
}

TEST_CASE("write_request_head: what a client says about its way here is not believed", "[proxy]") {
  CHECK(
      rewritten_request("GET / HTTP/1.1\r\nHost: a:81\r\nX-Forwarded-For: "
                        "1.2.3.4\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 1.1.1.1\r\n"
                        "X-Forwarded-Proto: ftp\r\nX-Forwarded-Port: 1\r\nX-Scheme: "
                        "x\r\nX-Forwarded-Scheme: x\r\nX-Request-ID: mine\r\n"
                        "X-Original-Forwarded-For: forged\r\nProxy: httpoxy\r\n\r\n"
      ) == "GET / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: mine\r\n" + kForwarded +
               "X-Original-Forwarded-For: 1.2.3.4\r\nX-Original-Forwarded-Host: evil\r\n\r\n"
  );
}

TEST_CASE("write_request_head: fields of the connection stay on it", "[proxy]") {
  CHECK(
      rewritten_request("POST / HTTP/1.1\r\nHost: a:81\r\nConnection: keep-alive, X-Mine, Host, "
                        "X-Real-IP\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
                        "TE: trailers\r\nProxy-Connection: x\r\nExpect: 100-continue\r\nUpgrade: "
                        "h2c\r\nX-Request-ID: i\r\n"
                        "Content-Length: 3\r\nCookie: c\r\n\r\n"
      ) == "POST / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: i\r\n" + kForwarded +
               "Cookie: c\r\nContent-Length: 3\r\n\r\n"
  );
}

TEST_CASE("write_request_head: chunked and upgrade", "[proxy]") {
  CHECK(
      rewritten_request("POST / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: i\r\nTransfer-Encoding: "
                        "chunked\r\nTrailer: X-Sum\r\n\r\n"
      ) == "POST / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: i\r\n" + kForwarded +
               "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
  );
  CHECK(
      rewritten_request("GET / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: i\r\nConnection: "
                        "Upgrade\r\nUpgrade: websocket\r\n\r\n"
      ) == "GET / HTTP/1.1\r\nHost: a:81\r\nX-Request-ID: i\r\n" + kForwarded +
               "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
  );
}

TEST_CASE("write_response_head: the backend's fields but for those of the connection", "[proxy]") {
  const std::string text =
      "HTTP/1.0 200 Fine\r\nServer: x\r\nDate: old\r\nX-A: 1\r\nx-a: 2\r\nConnection: close, "
      "X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\n"
      "TE: trailers\r\nX-Accel-Redirect: /secret\r\nX-Pad: 1\r\nStrict-Transport-Security: "
      "max-age=1\r\nContent-Length: 3\r\nLocation: /x\r\n\r\n";
  CHECK(
      rewritten_response(text, {.keep_alive = true, .date = "now"}) ==
      "HTTP/1.1 200 Fine\r\nDate: now\r\nX-A: 1\r\nx-a: 2\r\nStrict-Transport-Security: "
      "max-age=1\r\nLocation: /x\r\n"
      "Content-Length: 3\r\nConnection: keep-alive\r\n\r\n"
  );
  CHECK(
      rewritten_response(
          text, {.keep_alive = false, .date = "now", .strict_transport_security = "max-age=2"}
      ) ==
      "HTTP/1.1 200 Fine\r\nDate: now\r\nX-A: 1\r\nx-a: 2\r\nLocation: "
      "/x\r\nStrict-Transport-Security: max-age=2\r\n"
      "Content-Length: 3\r\nConnection: close\r\n\r\n"
  );
}

TEST_CASE("write_interim_head: fields of the connection stay on it", "[proxy]") {
  const std::string text =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Mine\r\nX-Mine: 1\r\nTE: x\r\n\r\n";
  HeadParser parser(HeadParser::Kind::kResponse);
  routing::ResponseHead head;
  REQUIRE(parser.parse(text) == HeadParser::Status::kDone);
  REQUIRE(validate_response(parser, text, false, head));
  std::array<char, 256> memory;
  HeadBuffer out(memory);
  write_interim_head(out, head);
  CHECK(out.text() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST_CASE("HeadBuffer: never writes past its memory", "[proxy]") {
  std::array<char, 8> memory{};
  HeadBuffer out({memory.data(), 4});
  out.append("abc");
  CHECK(out.ok());
  out.append("de");
  CHECK_FALSE(out.ok());
  out.append("f");
  CHECK(out.text() == "abc");
  CHECK(memory[4] == 0);
}

TEST_CASE("write_chunk_size: hexadecimal line", "[proxy]") {
  std::array<char, 20> memory{};
  const auto size = write_chunk_size(memory, 0x1a2b);
  CHECK(std::string_view(memory.data(), size) == "1a2b\r\n");
}

}  // namespace cppx::proxy::http1
