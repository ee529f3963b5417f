// What a hostile peer may do to a connection before it is ended.

#include <array>
#include <chrono>
#include <functional>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/http2/flood_guard.h"
#include "tests/unit/proxy/http2_peer.h"

namespace cppx::proxy::http2 {
namespace {

using test::frame;
using test::Http2Peer;
using Status = Session::Status;

constexpr int kFar = 20'000;

struct Server : Http2Peer {
  /// `heard`: the client has seen our SETTINGS.
  explicit Server(const SessionOptions& options = {}, bool heard = true)
      : Http2Peer(Role::kServer, options) {
    get(test::hello());
    sent();
    if (heard) get(frame(test::kSettings, test::kAck, 0));
  }
};

/// How often `bytes` is taken before the connection is ended with ENHANCE_YOUR_CALM.
int taken(Http2Peer& server, const std::function<std::string(int)>& bytes) {
  for (int i = 0; i < kFar; ++i) {
    server.get(bytes(i));
    const std::string sent = server.sent();
    if (server.session.failure().empty()) continue;
    CHECK(test::goaway_code(sent) == kEnhanceYourCalm);
    CHECK(server.session.finished());
    CHECK(server.get("x") == Status::kFailed);
    CHECK_FALSE(server.session.wants_write());
    return i;
  }
  return kFar;
}

StreamId stream(int i) { return 2 * i + 1; }

std::string post_request(StreamId id) {
  return frame(
      test::kHeaders, test::kEndHeaders, id,
      test::section({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})
  );
}

}  // namespace

TEST_CASE("Http2 floods: frames that carry nothing", "[proxy]") {
  const std::string priority = std::string("\0\0\0\0\x10", 5);
  for (const std::string& bytes : {
           frame(test::kPing, 0, 0, "12345678"),
           frame(test::kPing, test::kAck, 0, "12345678"),
           frame(test::kSettings, 0, 0),
           frame(test::kPriority, 0, 5, priority),
           frame(test::kWindowUpdate, 0, 0, test::u32(1)),
           frame(0xfa, 0, 0, "unknown"),
           frame(0xfa, 0, 0),
       }) {
    Server server;
    CHECK(taken(server, [&](int) { return bytes; }) <= 1000);
  }
}

TEST_CASE("Http2 floods: DATA that carries nothing", "[proxy]") {
  Server empty;
  empty.get(post_request(1));
  CHECK(taken(empty, [](int) { return frame(test::kData, 0, 1); }) <= 1010);
  Server padded;
  padded.get(post_request(1));
  const std::string padding = std::string(1, '\x03') + std::string(3, '\0');
  CHECK(taken(padded, [&](int) { return frame(test::kData, test::kPadded, 1, padding); }) <= 1010);
}

// RFC 9113 5.1: the peer may have sent them before it knew, but not more than its window had room
// for.
TEST_CASE("Http2 floods: frames of a stream that we have ended", "[proxy]") {
  SessionOptions options;
  options.stream_window_bytes = 5'000;
  for (const bool refused : {false, true}) {
    CAPTURE(refused);
    options.max_concurrent_streams = refused ? 1 : 128;
    Server closed(options, !refused);
    closed.get(post_request(1));
    if (refused) {
      closed.get(post_request(3));
    } else {
      closed.session.reset(1, kCancel);
      closed.sent();
    }
    const StreamId id = refused ? 3 : 1;
    const int data = taken(closed, [&](int) { return frame(test::kData, 0, id, "x"); });
    CHECK(data >= 5'000);
    CHECK(data <= 6'010);
  }
  Server ends;
  ends.get(post_request(1));
  ends.session.reset(1, kCancel);
  ends.sent();
  CHECK(taken(ends, [](int) { return frame(test::kRstStream, 0, 1, test::u32(8)); }) <= 1010);
  // DATA that is nothing but the end is one of them, and none that counts by its bytes.
  Server empty(options);
  empty.get(post_request(1));
  empty.session.reset(1, kCancel);
  empty.sent();
  CHECK(taken(empty, [](int) { return frame(test::kData, 0, 1); }) <= 1'010);
  Server many;
  for (int i = 0; i < 2'000; ++i) {
    many.get(post_request(stream(i)));
    many.session.reset(stream(i), kNoError);
    many.sent();
    many.get(frame(test::kData, test::kEndStream, stream(i)));
  }
  CHECK(many.session.failure().empty());
  // Of one that the client has ended itself: it knows.
  Server known(options);
  known.get(post_request(1) + frame(test::kData, test::kEndStream, 1));
  REQUIRE(known.session.submit_response(1, 200, {}, true));
  known.sent();
  CHECK(known.get(frame(test::kData, 0, 1, "x")) == Status::kFailed);
}

// Each of them may have DATA on its way, however many there are.
TEST_CASE("Http2: as many streams as may be open are remembered when they are reset", "[proxy]") {
  SessionOptions options;
  options.max_concurrent_streams = 1'000;
  Server server(options);
  for (int i = 0; i < 1'000; ++i) server.get(post_request(stream(i)));
  for (int i = 0; i < 1'000; ++i) server.session.reset(stream(i), kNoError);
  server.sent();
  for (int i = 0; i < 1'000; ++i) server.get(frame(test::kData, 0, stream(i), "x"));
  CHECK(server.session.failure().empty());
}

TEST_CASE("Http2: frames of a stream that the client has ended are an error", "[proxy]") {
  Server reset;
  reset.get(post_request(1) + frame(test::kRstStream, 0, 1, test::u32(8)));
  CHECK(reset.get(frame(test::kData, 0, 1, "x")) == Status::kFailed);
  CHECK(test::goaway_code(reset.sent()) == kStreamClosed);
  Server lower;
  lower.get(post_request(5));
  CHECK(lower.get(post_request(3)) == Status::kFailed);
  CHECK(test::goaway_code(lower.sent()) == kProtocolError);
}

TEST_CASE("Http2 floods: windows opened by the byte", "[proxy]") {
  SessionOptions options;
  Http2Peer server(Role::kServer, options);
  // INITIAL_WINDOW_SIZE 0, then a byte at a time.
  server.get(
      std::string(test::hello().substr(0, 24)) +
      frame(test::kSettings, 0, 0, std::string("\0\4", 2) + test::u32(0)) + test::get_request(1)
  );
  REQUIRE(server.session.submit_response(1, 200, {}, false));
  REQUIRE(server.send(1, std::string(100'000, 'x'), true));
  server.sent();
  CHECK(taken(server, [](int) { return frame(test::kWindowUpdate, 0, 1, test::u32(1)); }) <= 1010);
}

TEST_CASE("Http2 floods: requests that are reset at once (rapid reset)", "[proxy]") {
  Server server;
  CHECK(taken(server, [](int i) {
          return test::get_request(stream(i)) + frame(test::kRstStream, 0, stream(i), test::u32(8));
        }) <= 500);
  CHECK(server.session.open_streams() <= 1);
}

TEST_CASE("Http2 floods: resets that we are provoked to send (made you reset)", "[proxy]") {
  const auto after = [](const std::function<std::string(StreamId)>& provoke) {
    return [provoke](int i) { return post_request(stream(i)) + provoke(stream(i)); };
  };
  Server over;  // a window larger than 2^31-1
  CHECK(taken(over, after([](StreamId id) {
                return frame(test::kWindowUpdate, 0, id, test::u32(0x7fffffff));
              })) <= 500);
  Server twice;  // trailers that end nothing
  CHECK(taken(twice, after([](StreamId id) {
                return frame(test::kHeaders, test::kEndHeaders, id, test::section({{"a", "b"}}));
              })) <= 500);
  Server malformed;
  CHECK(taken(malformed, [](int i) {
          return frame(
              test::kHeaders, test::kEndHeaders, stream(i), test::section({{":method", "GET"}})
          );
        }) <= 500);
  SessionOptions one;
  one.max_concurrent_streams = 1;
  Http2Peer refused(Role::kServer, one);  // our SETTINGS are not acknowledged: streams are refused
  refused.get(test::hello() + test::get_request(1));
  CHECK(taken(refused, [](int i) { return test::get_request(stream(i + 1)); }) <= 500);
}

TEST_CASE("Http2 floods: a peer that sends and does not read", "[proxy]") {
  const auto unread = [](const std::function<std::string(int)>& bytes) {
    Http2Peer server(Role::kServer);
    server.get(test::hello());
    for (int i = 0; i < kFar; ++i)
      if (server.get(bytes(i)) == Status::kFailed) return i;
    return kFar;
  };
  CHECK(unread([](int) { return frame(test::kPing, 0, 0, "12345678"); }) <= 1000);
  CHECK(unread([](int i) {
          return frame(
              test::kHeaders, test::kEndHeaders, stream(i), test::section({{":method", "GET"}})
          );
        }) < 6000);
}

TEST_CASE("Http2 floods: a head without end", "[proxy]") {
  Server server;
  server.get(frame(test::kHeaders, 0, 1, test::section({{":method", "GET"}})));
  CHECK(taken(server, [](int) { return frame(test::kContinuation, 0, 1); }) <= 8);
}

TEST_CASE("Http2 floods: a head that grows when it is decoded", "[proxy]") {
  // One large field into the dynamic table, then references to it, a byte each.
  const std::string value(3000, 'x');
  std::string block =
      test::section({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
  std::string entry = test::section({{"x", value}});
  entry[0] = 0x40;  // with incremental indexing (RFC 7541 6.2.1)
  block += entry;
  const auto head = [&](std::size_t references) {
    return frame(
        test::kHeaders, test::kEndHeaders | test::kEndStream, 1,
        block + std::string(references, '\xbe')
    );
  };
  Server large;
  large.get(head(20));
  CHECK(large.log == std::vector<std::string>{"bad 1 431"});
  Server bomb;
  CHECK(bomb.get(head(10'000)) == Status::kFailed);
  CHECK(test::goaway_code(bomb.sent()) == kEnhanceYourCalm);
}

TEST_CASE("Http2 floods: what an honest client does for hours is none", "[proxy]") {
  Server pings;  // one every ten seconds
  for (int i = 0; i < 10'000; ++i) {
    pings.now += std::chrono::seconds(10);
    REQUIRE(pings.get(frame(test::kPing, 0, 0, "12345678")) == Status::kOk);
    pings.sent();
  }
  Server updates;  // one for each frame of a long download, on stream and connection
  updates.get(test::get_request(1));
  REQUIRE(updates.session.submit_response(1, 200, {}, false));
  updates.sent();
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(updates.send(1, std::string(100, 'x'), false));
    updates.sent();
    REQUIRE(
        updates.get(
            frame(test::kWindowUpdate, 0, 0, test::u32(100)) +
            frame(test::kWindowUpdate, 0, 1, test::u32(100))
        ) == Status::kOk
    );
  }
  Server mixed;  // every second request is cancelled
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(mixed.get(test::get_request(stream(i))) == Status::kOk);
    if (i % 2 == 0)
      REQUIRE(mixed.session.submit_response(stream(i), 200, {}, true));
    else
      REQUIRE(mixed.get(frame(test::kRstStream, 0, stream(i), test::u32(8))) == Status::kOk);
    mixed.sent();
  }
}

TEST_CASE("Http2 floods: a peer may tell what it has read in small pieces, and late", "[proxy]") {
  // As Go does: for each 4 KiB one update for the stream and one for the connection.
  const std::string updates = frame(test::kWindowUpdate, 0, 0, test::u32(4096)) +
                              frame(test::kWindowUpdate, 0, 1, test::u32(4096));
  constexpr int kPieces = 4 * 1024;  // 16 MiB
  const std::string wide = frame(test::kWindowUpdate, 0, 0, test::u32(1 << 30)) +
                           frame(test::kWindowUpdate, 0, 1, test::u32(1 << 30));
  const std::string piece(4096, 'x');
  Server server;
  server.get(test::get_request(1) + wide);
  REQUIRE(server.session.submit_response(1, 200, {}, false));
  Http2Peer client(Role::kClient);
  const std::array<Field, 4> post{
      {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}
  };
  REQUIRE(client.session.submit_request(post, false) == 1);
  client.sent();
  client.get(frame(test::kSettings, 0, 0) + wide);
  for (Http2Peer* sender : {static_cast<Http2Peer*>(&server), &client}) {
    sender->sent();
    for (int i = 0; i < kPieces; ++i) {
      REQUIRE(sender->send(1, piece, false));
      REQUIRE(sender->sent().size() > piece.size());
    }
    for (int i = 0; i < kPieces; ++i) REQUIRE(sender->get(updates) == Status::kOk);
    // What was not sent pays for nothing.
    CHECK(taken(*sender, [&](int) { return updates; }) < 20 * 1000);
  }
}

TEST_CASE("Http2 floods: our own resets are not the client's fault", "[proxy]") {
  Server server;
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(server.get(test::get_request(stream(i))) == Status::kOk);
    server.session.reset(stream(i), kInternalError);
    server.sent();
  }
}

TEST_CASE("Http2 session: errors of the connection end it", "[proxy]") {
  struct Case {
    std::string bytes;
    std::int64_t code;
  };
  for (const Case& c : {
           Case{frame(test::kData, 0, 0, "x"), 1},
           Case{frame(test::kData, 0, 1, "x"), 1},  // idle
           Case{frame(test::kPing, 0, 0, "1"), 6},
           Case{frame(test::kPing, 0, 3, "12345678"), 1},
           Case{frame(test::kSettings, 0, 0, "123"), 6},
           Case{frame(test::kSettings, 0, 0, std::string("\0\2", 2) + test::u32(7)), 1},
           Case{frame(test::kWindowUpdate, 0, 0, test::u32(0x7fffffff)), 3},
           Case{frame(test::kHeaders, test::kEndHeaders, 2, ""), 1},
           Case{frame(test::kHeaders, test::kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), 9},
           Case{frame(test::kContinuation, 0, 1), 1},
           Case{frame(test::kData, 0, 1, std::string(16'385, 'x')), 6},
           Case{frame(test::kHeaders, 0, 1) + frame(test::kPing, 0, 0, "12345678"), 1},
       }) {
    Server server;
    server.get(c.bytes);
    CHECK(test::goaway_code(server.sent()) == c.code);
    CHECK(server.session.finished());
    CHECK_FALSE(server.session.failure().empty());
    CHECK(server.get(frame(test::kPing, 0, 0, "12345678")) == Status::kFailed);
  }
  Http2Peer server(Role::kServer);
  CHECK(server.get("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == Status::kFailed);
  CHECK(test::goaway_code(server.sent()) == kProtocolError);
  CHECK(server.session.finished());
}

TEST_CASE("FloodGuard: both accounts fill with time, up to their burst", "[proxy]") {
  FloodGuard guard;
  FloodGuard::TimePoint now{std::chrono::hours(1)};
  guard.advance(now);
  CHECK(guard.overhead(FloodGuard::kOverheadBurst));
  CHECK_FALSE(guard.overhead());
  for (std::uint32_t i = 0; i < FloodGuard::kResetBurst; ++i) REQUIRE(guard.reset());
  CHECK_FALSE(guard.reset());
  guard.advance(now + std::chrono::milliseconds(999));
  CHECK_FALSE(guard.overhead());
  guard.advance(now + std::chrono::seconds(1));
  CHECK(guard.overhead(FloodGuard::kOverheadPerSecond));
  CHECK_FALSE(guard.overhead());
  for (std::uint32_t i = 0; i < FloodGuard::kResetsPerSecond; ++i) REQUIRE(guard.reset());
  CHECK_FALSE(guard.reset());
  guard.response_done();
  CHECK(guard.reset());
  guard.useful(3);
  CHECK(guard.overhead(3));
  guard.advance(now + std::chrono::hours(24 * 365 * 100));
  CHECK(guard.overhead(FloodGuard::kOverheadBurst));
  CHECK_FALSE(guard.overhead());
}

}  // namespace cppx::proxy::http2
