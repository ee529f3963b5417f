#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "proxy/codec/http2/preface.h"
#include "proxy/codec/http2/session.h"
#include "tests/unit/proxy/http2_peer.h"

namespace cppx::proxy::http2 {
namespace {

using test::exchange;
using test::Http2Peer;

struct Pair {
  explicit Pair(const SessionOptions& options = {})
      : client(Role::kClient, options), server(Role::kServer, options) {}

  StreamId request(std::string_view method, bool end, std::string_view path = "/x?y") {
    const std::array<Field, 5> fields{
        {{":method", method},
         {":scheme", "https"},
         {":authority", "example.org"},
         {":path", path},
         {"Accept", "text/html"}}
    };
    const auto id = client.session.submit_request(fields, end);
    REQUIRE(id);
    return *id;
  }

  Http2Peer client;
  Http2Peer server;
};

const std::array<Field, 1> kFields{{{"X-Answer", "42"}}};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

}  // namespace

TEST_CASE("Http2Session: a request and its response, in pieces of any size", "[proxy]") {
  const auto step = GENERATE(as<std::size_t>{}, 0, 1, 2, 3, 7, 8, 9, 10, 100);
  Pair pair;
  const StreamId id = pair.request("POST", false);
  CHECK(pair.client.session.open_streams() == 1);
  REQUIRE(pair.client.send(id, "hello", false));
  exchange(pair.client, pair.server, step);
  CHECK(pair.client.log == std::vector<std::string>{"sent 1"});
  REQUIRE(pair.server.log == std::vector<std::string>{"request 1"});
  routing::RequestHead head;
  pair.server.heads[id].fill(head);
  CHECK(test::text_of(head) == "POST /x?y\nhost example.org\naccept: text/html\n");
  CHECK(head.framing == routing::BodyFraming::kChunked);
  CHECK(head.path == "/x");
  CHECK_FALSE(head.idempotent);
  CHECK(pair.server.bodies[id] == "hello");
  REQUIRE(pair.client.send(id, " world", true));
  exchange(pair.client, pair.server, step);
  CHECK(pair.server.bodies[id] == "hello world");
  CHECK(pair.server.has("end 1"));

  REQUIRE(pair.server.session.submit_response(id, 200, kFields, false));
  REQUIRE(pair.server.send(id, "answer", true));
  exchange(pair.client, pair.server, step);
  CHECK(pair.client.has("response 1 200"));
  CHECK(pair.client.bodies[id] == "answer");
  CHECK(pair.client.log.back() == "closed 1 0");
  CHECK(pair.client.log[pair.client.log.size() - 2] == "end 1");
  CHECK(pair.server.log == std::vector<std::string>{"request 1", "end 1", "sent 1", "closed 1 0"});
  CHECK(pair.client.session.open_streams() == 0);
  CHECK(pair.server.session.open_streams() == 0);
}

TEST_CASE("Http2Session: heads without bodies", "[proxy]") {
  Pair pair;
  const StreamId id = pair.request("HEAD", true);
  exchange(pair.client, pair.server);
  REQUIRE(pair.server.log == std::vector<std::string>{"request 1 end"});
  routing::RequestHead request;
  pair.server.heads[id].fill(request);
  CHECK(request.head_method);
  CHECK(request.framing == routing::BodyFraming::kNone);
  const std::array<Field, 1> length{{{"content-length", "17"}}};
  REQUIRE(pair.server.session.submit_response(id, 200, length, true));
  CHECK_FALSE(pair.server.session.submit_response(id, 200, length, true));
  CHECK_FALSE(pair.server.send(id, "no", true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.log == std::vector<std::string>{"response 1 200 end", "closed 1 0"});
}

TEST_CASE("Http2Session: the head of a response", "[proxy]") {
  Pair pair;
  const StreamId id = pair.request("GET", true);
  exchange(pair.client, pair.server);
  const std::array<Field, 2> fields{{{"Content-Length", "5"}, {"ETag", "x"}}};
  REQUIRE(pair.server.session.submit_response(id, 203, fields, false));
  exchange(pair.client, pair.server);
  routing::ResponseHead head;
  pair.client.heads[id].fill(head);
  CHECK(test::text_of(head) == "203\ncontent-length: 5\netag: x\n");
  CHECK(head.framing == routing::BodyFraming::kLength);
  CHECK(head.content_length == 5);
  CHECK(head.has_content_length);
  CHECK(head.keep_alive);
}

TEST_CASE("Http2Session: trailers both ways, without those that may not be trailers", "[proxy]") {
  const auto step = GENERATE(as<std::size_t>{}, 0, 1, 11);
  Pair pair;
  const StreamId id = pair.request("POST", false);
  REQUIRE(pair.client.send(id, "body", false));
  exchange(pair.client, pair.server, step);
  const std::array<Field, 3> trailers{
      {{"Grpc-Status", "0"}, {"Host", "evil"}, {"authorization", "x"}}
  };
  REQUIRE(pair.client.session.send_trailers(id, trailers));
  CHECK_FALSE(pair.client.session.send_trailers(id, trailers));
  CHECK_FALSE(pair.client.send(id, "more", true));
  exchange(pair.client, pair.server, step);
  CHECK(
      pair.server.log == std::vector<std::string>{"request 1", "trailers 1 grpc-status=0", "end 1"}
  );
  CHECK(pair.server.bodies[id] == "body");
  // At once with the head, and nothing between them.
  REQUIRE(pair.server.session.submit_response(id, 200, kFields, false));
  REQUIRE(pair.server.session.send_trailers(id, trailers));
  exchange(pair.client, pair.server, step);
  CHECK(
      pair.client.log ==
      std::vector<std::string>{
          "sent 1", "response 1 200", "trailers 1 grpc-status=0", "end 1", "closed 1 0"
      }
  );
}

TEST_CASE("Http2Session: no trailers is an end, and so is no data", "[proxy]") {
  Pair pair;
  const StreamId id = pair.request("POST", false);
  REQUIRE(pair.client.session.send_trailers(id, {}));
  exchange(pair.client, pair.server);
  CHECK(pair.server.log == std::vector<std::string>{"request 1", "end 1"});
  REQUIRE(pair.server.session.submit_response(id, 200, kFields, false));
  CHECK_FALSE(pair.server.session.send_data(id, {}, false));
  REQUIRE(pair.server.session.send_data(id, {}, true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.log.back() == "closed 1 0");
  CHECK(pair.server.log.back() == "closed 1 0");
}

TEST_CASE("Http2Session: interim responses come before the final one", "[proxy]") {
  Pair pair;
  const StreamId id = pair.request("GET", true);
  exchange(pair.client, pair.server);
  REQUIRE(pair.server.session.submit_interim(id, 103, kFields));
  CHECK_FALSE(pair.server.session.submit_interim(id, 101, kFields));
  CHECK_FALSE(pair.server.session.submit_interim(id, 200, kFields));
  CHECK_FALSE(pair.server.session.submit_response(id, 103, kFields, true));
  exchange(pair.client, pair.server);
  routing::ResponseHead head;
  pair.client.heads[id].fill(head);
  CHECK(test::text_of(head) == "103\nx-answer: 42\n");
  CHECK(head.framing == routing::BodyFraming::kNone);
  REQUIRE(pair.server.session.submit_response(id, 204, {}, true));
  CHECK_FALSE(pair.server.session.submit_interim(id, 103, kFields));
  exchange(pair.client, pair.server);
  CHECK(
      pair.client.log ==
      std::vector<std::string>{"response 1 103", "response 1 204 end", "closed 1 0"}
  );
}

TEST_CASE("Http2Session: a peer sends no more than was consumed", "[proxy]") {
  SessionOptions options;
  options.stream_window_bytes = 10'000;
  options.connection_window_bytes = 100'000;
  Pair pair(options);
  pair.server.consume_at_once = false;
  exchange(pair.client, pair.server);
  const StreamId id = pair.request("POST", false);
  const std::string body = pattern(30'000);
  REQUIRE(pair.client.send(id, body, true));
  exchange(pair.client, pair.server);
  CHECK(pair.server.bodies[id].size() == 10'000);
  CHECK(pair.client.count("sent") == 0);
  CHECK_FALSE(pair.client.send(id, "two at once", true));
  pair.server.session.consume(id, 6'000);
  exchange(pair.client, pair.server);
  CHECK(pair.server.bodies[id].size() == 16'000);
  pair.server.consume_at_once = true;
  pair.server.session.consume(id, 100'000);  // more than there is
  exchange(pair.client, pair.server);
  CHECK(pair.server.bodies[id] == body);
  CHECK(pair.client.log == std::vector<std::string>{"sent 1"});
  CHECK(pair.server.log == std::vector<std::string>{"request 1", "end 1"});
}

TEST_CASE(
    "Http2Session: what a closed stream left unconsumed does not hold up the others", "[proxy]"
) {
  SessionOptions options;
  options.stream_window_bytes = 65'535;
  options.connection_window_bytes = 65'535;
  Pair pair(options);
  pair.server.consume_at_once = false;
  for (int i = 0; i < 5; ++i) {
    const StreamId id = pair.request("POST", false);
    REQUIRE(pair.client.send(id, pattern(50'000), false));
    exchange(pair.client, pair.server);
    REQUIRE(pair.server.bodies[id].size() == 50'000);
    if (i % 2 == 0)
      pair.server.session.reset(id, kCancel);
    else
      pair.client.session.reset(id, kCancel);
    exchange(pair.client, pair.server);
  }
}

TEST_CASE(
    "Http2Session: pieces of data are sent in order, whatever the room in pull()", "[proxy]"
) {
  const auto room = GENERATE(as<std::size_t>{}, 2048, 2500, 5000, 16'384, 100'000);
  Pair pair;
  exchange(pair.client, pair.server);
  const StreamId id = pair.request("POST", false);
  const std::string body = pattern(60'000);
  std::array<iovec, 5> pieces{};
  constexpr std::array<std::size_t, 6> kEnds{0, 1, 1, 20'000, 40'001, 60'000};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string part = body.substr(kEnds[i], kEnds[i + 1] - kEnds[i]);
    pieces[i] = {.iov_base = const_cast<char*>(body.data() + kEnds[i]), .iov_len = part.size()};
  }
  REQUIRE(pair.client.session.send_data(id, pieces, true));
  const std::string bytes = pair.client.sent(room);
  pair.server.get(bytes);
  CHECK(pair.server.bodies[id] == body);
  CHECK(pair.server.log.back() == "end 1");
  // Not in crumbs: a frame is either large or the last.
  for (const test::Frame& frame : test::frames_of(bytes))
    if (frame.type == test::kData && (frame.flags & test::kEndStream) == 0)
      CHECK(frame.payload.size() >= 1024);
}

TEST_CASE("Http2Session: a head counts as sent from its first byte on", "[proxy]") {
  const std::string value = pattern(3000);
  const std::array<Field, 5> fields{
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}, {"x", value}}
  };
  Pair whole;
  REQUIRE(whole.client.session.submit_request(fields, true));
  const std::size_t size = whole.client.sent().size();
  // All of it, with and without room for more, and a part.
  for (const std::size_t room : {size, size + 1, size - 1, Session::kMinPullBytes}) {
    Pair pair;
    const auto id = pair.client.session.submit_request(fields, true);
    REQUIRE(id);
    CHECK(pair.client.session.is_unsent(*id));
    CHECK(pair.client.begun.empty());
    std::string out(room, '\0');
    REQUIRE(pair.client.session.pull(out) == std::min(room, size));
    CHECK_FALSE(pair.client.session.is_unsent(*id));
    CHECK(pair.client.begun == std::vector<StreamId>{*id});
    pair.client.sent();
    CHECK(pair.client.begun.size() == 1);
  }
}

TEST_CASE("Http2Session: a large head goes out in several pulls", "[proxy]") {
  Pair pair;
  const std::string value = pattern(30'000);
  const std::array<Field, 5> fields{
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}, {"x", value}}
  };
  REQUIRE(pair.client.session.submit_request(fields, true));
  pair.server.get(pair.client.sent(Session::kMinPullBytes), 1000);
  CHECK(pair.server.log == std::vector<std::string>{"request 1 end"});
  routing::RequestHead head;
  pair.server.heads[1].fill(head);
  REQUIRE(head.fields.size() == 1);
  CHECK(head.fields.begin()->value == value);
}

TEST_CASE("Http2Session: streams take turns", "[proxy]") {
  Pair pair;
  pair.server.consume_at_once = false;
  exchange(pair.client, pair.server);
  for (int i = 0; i < 10; ++i)
    REQUIRE(pair.client.send(pair.request("POST", false), pattern(40'000), true));
  exchange(pair.client, pair.server);
  CHECK(pair.server.count("end") == 10);
}

TEST_CASE("Http2Session: reset by either side", "[proxy]") {
  const bool by_client = GENERATE(true, false);
  Pair pair;
  const StreamId id = pair.request("POST", false);
  exchange(pair.client, pair.server);
  Http2Peer& from = by_client ? pair.client : pair.server;
  Http2Peer& to = by_client ? pair.server : pair.client;
  from.session.reset(id, kCancel);
  from.session.reset(id, kInternalError);  // the first one counts
  CHECK_FALSE(from.session.submit_response(id, 200, kFields, true));
  CHECK_FALSE(from.send(id, "x", true));
  CHECK(from.count("closed") == 0);
  exchange(from, to);
  CHECK(from.has("closed 1 8"));
  CHECK(to.has("closed 1 8"));
  CHECK_FALSE(to.send(id, "x", true));
  CHECK_FALSE(to.session.submit_response(id, 200, kFields, true));
  to.session.reset(id, kCancel);
  to.session.consume(id, 1);
  CHECK(to.sent().empty());
}

TEST_CASE("Http2Session: memory given to send_data() is free at once after reset()", "[proxy]") {
  SessionOptions options;
  options.stream_window_bytes = 1000;
  Pair pair(options);
  pair.server.consume_at_once = false;
  exchange(pair.client, pair.server);
  const StreamId id = pair.request("POST", false);
  auto body = std::make_unique<std::string>(pattern(5000));
  auto piece = std::make_unique<iovec>(iovec{.iov_base = body->data(), .iov_len = body->size()});
  REQUIRE(pair.client.session.send_data(id, {piece.get(), 1}, true));
  exchange(pair.client, pair.server);
  CHECK(pair.server.bodies[id].size() == 1000);
  pair.client.session.reset(id, kCancel);
  body.reset();
  piece.reset();
  pair.server.session.consume(id, 1000);
  exchange(pair.server, pair.client);
  CHECK(pair.server.bodies[id].size() == 1000);
  CHECK(pair.client.has("closed 1 8"));
}

TEST_CASE("Http2Session: a request that was never sent can be reset", "[proxy]") {
  Pair pair;
  exchange(pair.client, pair.server);
  const StreamId first = pair.request("POST", false);
  const StreamId second = pair.request("POST", false);
  REQUIRE(pair.client.send(first, "a", true));
  REQUIRE(pair.client.send(second, "b", true));
  pair.client.session.reset(first, kCancel);
  exchange(pair.client, pair.server);
  CHECK(pair.client.log == std::vector<std::string>{"closed 1 8", "sent 3"});
  CHECK(pair.server.log == std::vector<std::string>{"request 3", "end 3"});
}

TEST_CASE("Http2Session: a client that still sends is told that it need not", "[proxy]") {
  Pair pair;
  const StreamId id = pair.request("POST", false);
  exchange(pair.client, pair.server);
  REQUIRE(pair.server.session.submit_response(id, 413, kFields, true));
  exchange(pair.client, pair.server);
  CHECK(pair.server.log == std::vector<std::string>{"request 1", "closed 1 0"});
  CHECK(pair.client.log == std::vector<std::string>{"response 1 413 end", "closed 1 0"});
}

TEST_CASE("Http2Session: streams above the limit are refused, and may be sent again", "[proxy]") {
  SessionOptions options;
  options.max_concurrent_streams = 3;
  Pair pair(options);
  for (int i = 0; i < 5; ++i) pair.request("GET", true);  // before the server's SETTINGS came
  exchange(pair.client, pair.server);
  CHECK(pair.server.count("request") == 3);
  CHECK(pair.client.has("closed 7 7 refused"));
  CHECK(pair.client.has("closed 9 7 refused"));
  CHECK(pair.client.session.open_streams() == 3);
  CHECK_FALSE(pair.client.session.can_open_stream());
  CHECK_FALSE(pair.client.session.submit_request(kFields, true));
  REQUIRE(pair.server.session.submit_response(1, 200, kFields, true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.session.can_open_stream());
}

TEST_CASE(
    "Http2Session: GOAWAY lets streams under way finish, and hands back the others", "[proxy]"
) {
  Pair pair;
  pair.request("GET", true);
  exchange(pair.client, pair.server);
  pair.server.session.shutdown_notice();
  exchange(pair.client, pair.server);
  CHECK(pair.client.log == std::vector<std::string>{"goaway"});
  CHECK_FALSE(pair.client.session.can_open_stream());
  CHECK_FALSE(pair.server.session.finished());
  pair.server.session.goaway();
  exchange(pair.client, pair.server);
  CHECK(pair.client.count("goaway") == 1);
  REQUIRE(pair.server.session.submit_response(1, 200, kFields, true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.log == std::vector<std::string>{"goaway", "response 1 200 end", "closed 1 0"});
  CHECK(pair.server.session.finished());
  CHECK(pair.client.session.finished());
  CHECK(pair.server.session.failure().empty());
}

TEST_CASE("Http2Session: streams above the last of a GOAWAY are refused", "[proxy]") {
  Pair pair;
  pair.request("GET", true);
  exchange(pair.client, pair.server);
  pair.request("GET", true);
  pair.request("GET", true);
  const std::string late = pair.client.sent();
  pair.request("GET", true);  // not sent when GOAWAY comes
  pair.server.session.goaway();
  pair.client.get(pair.server.sent());
  pair.server.get(late);
  exchange(pair.client, pair.server);
  CHECK(pair.server.count("request") == 1);
  CHECK(pair.client.log.front() == "goaway");
  for (const char* line : {"closed 3 7 refused", "closed 5 7 refused", "closed 7 7 refused"})
    CHECK(pair.client.has(line));
  CHECK(pair.client.session.open_streams() == 1);
}

TEST_CASE("Http2Session: what comes before a GOAWAY is sent, and after it was said", "[proxy]") {
  Pair pair;
  pair.request("GET", true);
  exchange(pair.client, pair.server);
  pair.request("GET", true);
  const std::string late = pair.client.sent();
  pair.server.session.goaway();
  // The client will read that nothing was done with it.
  pair.server.get(late);
  CHECK(pair.server.count("request") == 1);
  exchange(pair.client, pair.server);
  CHECK(pair.client.has("closed 3 7 refused"));
  CHECK(pair.server.count("closed") == 0);
  REQUIRE(pair.server.session.submit_response(1, 200, kFields, true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.has("closed 1 0"));
  CHECK(pair.server.session.failure().empty());
}

TEST_CASE("Http2Session: a part that was sent is told of, if it is worth it", "[proxy]") {
  Pair pair;
  pair.request("GET", true);
  exchange(pair.client, pair.server);
  REQUIRE(pair.server.session.submit_response(1, 200, kFields, false));
  REQUIRE(pair.server.send(1, std::string(70'000, 'x'), true));
  pair.server.sent();
  // All that the window has room for, in frames of up to 16 KiB.
  CHECK(pair.server.progress >= 3);
  CHECK_FALSE(pair.server.has("sent 1"));
  const int before = pair.server.progress;
  pair.server.get(test::frame(test::kWindowUpdate, 0, 0, test::u32(1000)));
  pair.server.get(test::frame(test::kWindowUpdate, 0, 1, test::u32(1000)));
  CHECK(!pair.server.sent().empty());
  CHECK(pair.server.progress == before);
}

TEST_CASE(
    "Http2Session: extended CONNECT is an upgrade, and each side ends on its own", "[proxy]"
) {
  Pair pair;
  CHECK_FALSE(pair.client.session.peer_takes_connect_protocol());
  exchange(pair.client, pair.server);
  CHECK(pair.client.session.peer_takes_connect_protocol());
  const std::array<Field, 6> fields{
      {{":method", "CONNECT"},
       {":protocol", "websocket"},
       {":scheme", "https"},
       {":authority", "example.org"},
       {":path", "/chat"},
       {"sec-websocket-version", "13"}}
  };
  const auto id = pair.client.session.submit_request(fields, false);
  REQUIRE(id);
  exchange(pair.client, pair.server);
  routing::RequestHead head;
  pair.server.heads[*id].fill(head);
  CHECK(test::text_of(head) == "GET /chat\nhost example.org\nsec-websocket-version: 13\n");
  CHECK(head.upgrade);
  CHECK(head.upgrade_protocol == "websocket");
  CHECK(head.framing == routing::BodyFraming::kNone);
  REQUIRE(pair.server.session.submit_response(*id, 200, {}, false));
  REQUIRE(pair.server.send(*id, "to client", true));
  exchange(pair.client, pair.server);
  CHECK(pair.client.bodies[*id] == "to client");
  CHECK(pair.server.count("closed") == 0);
  REQUIRE(pair.client.send(*id, "to server", true));
  exchange(pair.client, pair.server);
  CHECK(pair.server.bodies[*id] == "to server");
  CHECK(pair.server.log.back() == "closed 1 0");
}

TEST_CASE("Http2Session: extended CONNECT can be turned off", "[proxy]") {
  SessionOptions options;
  options.connect_protocol = false;
  Pair pair(options);
  exchange(pair.client, pair.server);
  CHECK_FALSE(pair.client.session.peer_takes_connect_protocol());
}

TEST_CASE("Http2Session: a response too large or malformed is a reset", "[proxy]") {
  SessionOptions options;
  options.max_head_bytes = 1000;
  Http2Peer client(Role::kClient, options);
  const std::array<Field, 4> fields{
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}
  };
  const std::string large(990, 'x');
  const std::vector<std::vector<test::FieldText>> heads{
      {{":status", "200"}, {"x", large}},
      {{":status", "600"}},
      {{":status", "101"}},
      {{":status", "200"}, {"connection", "close"}},
      {{":status", "200"}, {"content-length", "x"}},
      {{":status", "200"}, {"a b", "c"}},
      {{":status", "200"}, {"a", "c\x01"}},
      {{":status", "200"}, {":path", "/"}},
      {{"x", "y"}}
  };
  client.get(test::frame(test::kSettings, 0, 0));
  for (const auto& head : heads) {
    const auto id = client.session.submit_request(fields, true);
    REQUIRE(id);
    const std::string sent = client.sent();
    const std::size_t closed = client.count("closed");
    client.get(
        test::frame(test::kHeaders, test::kEndHeaders | test::kEndStream, *id, test::section(head))
    );
    client.sent();
    CHECK(client.count("closed") == closed + 1);
    INFO(head.back().first << ": " << client.log.back());
    CHECK_FALSE(client.log.back().ends_with(" 0"));
    CHECK_FALSE(client.log.back().ends_with("refused"));
  }
  CHECK(client.count("response") == 0);
  CHECK(client.session.can_open_stream());
}

TEST_CASE("Http2Session: the server may not push", "[proxy]") {
  Http2Peer client(Role::kClient);
  client.sent();
  client.get(test::frame(test::kSettings, 0, 0));
  const std::array<Field, 4> fields{
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}
  };
  REQUIRE(client.session.submit_request(fields, true));
  client.sent();
  const std::string promise = test::u32(2) + test::section({{":method", "GET"}});
  CHECK(
      client.get(test::frame(test::kPushPromise, test::kEndHeaders, 1, promise)) ==
      Session::Status::kFailed
  );
  CHECK(test::goaway_code(client.sent()) == kProtocolError);
  CHECK(client.session.finished());
  CHECK_FALSE(client.session.failure().empty());
}

TEST_CASE("Http2Session: a session may be destroyed with streams under way", "[proxy]") {
  Pair pair;
  for (int i = 0; i < 3; ++i) REQUIRE(pair.client.send(pair.request("POST", false), "x", false));
  pair.server.get(pair.client.sent());
  pair.request("POST", false);
  CHECK(pair.server.session.open_streams() == 3);
}

TEST_CASE("Http2 preface: told from HTTP/1 by its first bytes", "[proxy]") {
  CHECK(could_be_preface(""));
  CHECK(could_be_preface("P"));
  CHECK(could_be_preface("PRI * HTTP/2.0\r\n"));
  CHECK(could_be_preface(std::string(kPreface) + "more"));
  CHECK_FALSE(could_be_preface("PO"));
  CHECK_FALSE(could_be_preface("PRI * HTTP/2.0\r\n\r\nSN"));
  CHECK_FALSE(could_be_preface("GET / HTTP/1.1\r\n"));
  CHECK_FALSE(is_preface(kPreface.substr(0, 23)));
  CHECK(is_preface(kPreface));
}

}  // namespace cppx::proxy::http2
