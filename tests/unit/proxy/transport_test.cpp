#include "proxy/transport/transport.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/proxy/turn_until.h"

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;

/// A transport and the other end of its socket.
struct Pair {
  Pair(EventLoop& loop, TimerWheel& wheel) : transport(std::in_place, loop, wheel) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    peer.reset(ends[1]);
    REQUIRE(transport->assign(Descriptor(ends[0])));
  }
  void send(std::string_view text) const {
    REQUIRE(
        ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(text.size())
    );
  }
  /// Until the socket takes no more.
  void fill() {
    const std::string block(65536, 'x');
    iovec piece{.iov_base = const_cast<char*>(block.data()), .iov_len = block.size()};
    while (transport->try_write({&piece, 1}).ok()) {
    }
  }
  /// The peer reads all of it.
  void empty() const {
    std::string sink(65536, ' ');
    while (::recv(peer.get(), sink.data(), sink.size(), 0) > 0) {
    }
  }
  std::optional<Transport> transport;
  Descriptor peer;
};

struct TransportFixture {
  EventLoop loop;
  TimerWheel wheel{loop};

  template <class Condition>
  bool run_until(Condition condition) {
    return test::turn_until(loop, condition);
  }
};

Task<void> wait(Transport& transport, Direction direction, std::optional<IoStatus>& ended) {
  const auto status = co_await transport.wait(direction);
  ended = status;
}

Task<void> read(Transport& transport, std::string& into, std::optional<IoStatus>& ended) {
  std::array<char, 16> buffer;
  const IoResult result = co_await transport.read_some(buffer);
  into.assign(buffer.data(), result.bytes);
  ended = result.status;
}

TEST_CASE("Transport: waits for what comes, and once it is taken for what comes next", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  std::optional<IoStatus> ended;
  std::string text;
  for (const std::string_view sent : {"first", "second"}) {
    ended.reset();
    CHECK(pair.transport->silent());
    spawn(read(*pair.transport, text, ended), [] {});
    CHECK_FALSE(ended);
    pair.send(sent);
    REQUIRE(test.run_until([&] { return ended.has_value(); }));
    CHECK(*ended == IoStatus::kOk);
    CHECK(text == sent);
  }
  CHECK(pair.transport->silent());
}

TEST_CASE("Transport: what has been peeked at is read before the loop tells of it", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.send("here");
  // With memory in hand nobody is to wait for what is there.
  REQUIRE(pair.transport->peek().ok());
  std::optional<IoStatus> ended;
  std::string text;
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(text == "here");
}

TEST_CASE("Transport: a full buffer may not have been all", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.send("sixteen bytes...and more");
  REQUIRE(test.run_until([&] { return !pair.transport->silent(); }));
  std::optional<IoStatus> ended;
  std::string text;
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(text == "sixteen bytes...");
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(text == "and more");
  CHECK(pair.transport->silent());
}

TEST_CASE("Transport: the end is seen, also when it came with the last bytes", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.send("last");
  pair.peer.reset();
  REQUIRE(test.run_until([&] { return !pair.transport->silent(); }));
  std::optional<IoStatus> ended;
  std::string text;
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(text == "last");
  ended.reset();
  spawn(read(*pair.transport, text, ended), [] {});
  REQUIRE(ended);
  CHECK(*ended == IoStatus::kEof);
  // Also for who looks without reading.
  pair.transport->drained();
  CHECK_FALSE(pair.transport->silent());
}

Task<void> write(Transport& transport, std::span<iovec> pieces, std::optional<IoResult>& written) {
  const auto result = co_await transport.write_all(pieces, 5s);
  written = result;
}

/// Appends all that lies in a socket.
void drain(const Descriptor& socket, std::string& into) {
  std::array<char, 4096> some;
  for (ssize_t got = 0; (got = ::recv(socket.get(), some.data(), some.size(), 0)) > 0;)
    into.append(some.data(), static_cast<std::size_t>(got));
}

/// So many pieces of so many bytes each, all of them different from their neighbours.
std::vector<std::string> some_pieces(std::size_t count, std::size_t bytes) {
  std::vector<std::string> texts(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t at = 0; at < bytes; ++at)
      texts[i] += static_cast<char>('a' + (i * 7 + at) % 26);
  }
  return texts;
}

TEST_CASE("Transport: several pieces arrive whole and in their order", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  const auto [count, bytes] = GENERATE(
      std::pair<std::size_t, std::size_t>{2, 1}, std::pair<std::size_t, std::size_t>{3, 0},
      std::pair<std::size_t, std::size_t>{4, 512}, std::pair<std::size_t, std::size_t>{5, 100'000}
  );
  std::vector<std::string> texts = some_pieces(count, bytes);
  std::vector<iovec> pieces;
  std::string expected;
  for (std::string& text : texts) {
    pieces.push_back({.iov_base = text.data(), .iov_len = text.size()});
    expected += text;
  }
  std::optional<IoResult> written;
  spawn(write(*pair.transport, pieces, written), [] {});
  std::string received;
  REQUIRE(test.run_until([&] {
    drain(pair.peer, received);
    return written && received.size() >= expected.size();
  }));
  CHECK(written->ok());
  CHECK(written->bytes == expected.size());
  CHECK(received == expected);
}

/// Two ends of a TCP connection that takes few bytes before they are read.
std::pair<Descriptor, Descriptor> narrow_connection() {
  const int least = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) == 0);
  REQUIRE(::bind(listener.get(), generic, size) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  REQUIRE(::getsockname(listener.get(), generic, &size) == 0);
  Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0);
  REQUIRE(::connect(client.get(), generic, size) == 0);
  REQUIRE(::fcntl(client.get(), F_SETFL, O_NONBLOCK) == 0);
  return {
      std::move(client), Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK))
  };
}

TEST_CASE("Transport: several small pieces, of which the socket takes a part", "[proxy]") {
  TransportFixture test;
  auto [client, peer] = narrow_connection();
  Transport transport(test.loop, test.wheel);
  REQUIRE(transport.assign(std::move(client)));
  std::string expected;
  std::string received;
  bool taken_in_part = false;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> texts = some_pieces(3, 600);
    std::array<iovec, 3> pieces;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = {.iov_base = texts[i].data(), .iov_len = texts[i].size()};
      expected += texts[i];
    }
    std::optional<IoResult> written;
    spawn(write(transport, pieces, written), [] {});
    // write_all() has used up what the socket took.
    if (!written) {
      taken_in_part = taken_in_part || std::any_of(pieces.begin(), pieces.end(), [](iovec piece) {
                        return piece.iov_len < 600;
                      });
    }
    REQUIRE(test.run_until([&] {
      if (!written) drain(peer, received);
      return written.has_value();
    }));
    CHECK(written->ok());
    CHECK(written->bytes == 1800);
  }
  REQUIRE(test.run_until([&] {
    drain(peer, received);
    return received.size() == expected.size();
  }));
  CHECK(received == expected);
  CHECK(taken_in_part);
}

TEST_CASE("Transport: a full socket is waited for until the peer reads", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.fill();
  std::optional<IoStatus> ended;
  spawn(wait(*pair.transport, Direction::kWrite, ended), [] {});
  test.loop.turn(0ms);
  CHECK_FALSE(ended);
  pair.empty();
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kOk);
}

TEST_CASE(
    "Transport: cancelled, timed out and closed waits end later, each with its reason", "[proxy]"
) {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  std::optional<IoStatus> ended;
  spawn(wait(*pair.transport, Direction::kRead, ended), [] {});
  pair.transport->cancel(Direction::kRead);
  CHECK_FALSE(ended);
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kCancelled);
  pair.transport->resume(Direction::kRead);

  ended.reset();
  pair.transport->arm_read(1ms);
  spawn(wait(*pair.transport, Direction::kRead, ended), [] {});
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kTimeout);

  // A deadline that passes while nobody waits, and is then taken back, is none.
  ended.reset();
  pair.transport->arm_read(1ms);
  std::optional<IoStatus> other;
  Pair clock(test.loop, test.wheel);
  clock.transport->arm_read(30ms);
  spawn(wait(*clock.transport, Direction::kRead, other), [] {});
  REQUIRE(test.run_until([&] { return other.has_value(); }));
  pair.transport->disarm_read();
  spawn(wait(*pair.transport, Direction::kRead, ended), [] {});
  CHECK_FALSE(ended);
  pair.transport->close();
  CHECK_FALSE(ended);
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kCancelled);
}

Task<void> write_text(Transport& transport, std::string_view text, std::optional<IoStatus>& ended) {
  iovec piece{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  const IoResult result = co_await transport.write_all({&piece, 1}, 1s);
  ended = result.status;
}

Task<void> wait_across(Transport& transport, Direction direction, std::optional<IoStatus>& ended) {
  const auto status = co_await transport.wait_across(direction);
  ended = status;
}

TEST_CASE("Transport: a reader that TLS has write first waits beside the writer", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.fill();
  std::optional<IoStatus> reader;
  std::optional<IoStatus> writer;
  spawn(wait(*pair.transport, Direction::kWrite, writer), [] {});
  spawn(wait_across(*pair.transport, Direction::kRead, reader), [] {});
  const auto both = [&] { return reader.has_value() && writer.has_value(); };

  SECTION("both go on when there is room") {
    pair.send("nothing that it waits for");
    test.loop.turn(0ms);
    CHECK_FALSE(reader);
    pair.empty();
    REQUIRE(test.run_until(both));
    CHECK(reader == IoStatus::kOk);
    CHECK(writer == IoStatus::kOk);
  }
  SECTION("both hear of a peer that is gone") {
    pair.peer.reset();
    REQUIRE(test.run_until(both));
    CHECK(reader == IoStatus::kOk);
    CHECK(writer == IoStatus::kOk);
  }
  SECTION("each is cancelled by itself") {
    pair.transport->cancel(Direction::kRead);
    REQUIRE(test.run_until([&] { return reader.has_value(); }));
    CHECK(reader == IoStatus::kCancelled);
    CHECK_FALSE(writer);
    pair.transport->cancel(Direction::kWrite);
    REQUIRE(test.run_until(both));
    CHECK(writer == IoStatus::kCancelled);
  }
}

Task<void> discard(Transport& transport, std::size_t& bytes, std::optional<IoStatus>& ended) {
  for (;;) {
    const IoResult result = co_await transport.discard_some();
    bytes += result.bytes;
    if (result.ok()) continue;
    ended = result.status;
    co_return;
  }
}

TEST_CASE("Transport: what is thrown away needs no place", "[proxy]") {
  TransportFixture test;
  auto [socket, peer] = narrow_connection();
  Transport transport(test.loop, test.wheel);
  REQUIRE(transport.assign(std::move(socket)));
  std::size_t bytes = 0;
  std::optional<IoStatus> ended;
  spawn(discard(transport, bytes, ended), [] {});
  const std::string block(100'000, 'x');
  REQUIRE(::send(peer.get(), block.data(), block.size(), 0) == static_cast<ssize_t>(block.size()));
  REQUIRE(test.run_until([&] { return bytes == block.size(); }));
  CHECK_FALSE(ended);
  peer.reset();
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(ended == IoStatus::kEof);
}

TEST_CASE("Transport: once cancelled it ends also where there is nothing to wait for", "[proxy]") {
  TransportFixture test;
  Pair pair(test.loop, test.wheel);
  pair.send("more and more");
  REQUIRE(test.run_until([&] { return !pair.transport->silent(); }));
  pair.transport->cancel();
  std::optional<IoStatus> ended;
  std::string text;
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(ended == IoStatus::kCancelled);
  ended.reset();
  spawn(write_text(*pair.transport, "and more", ended), [] {});
  CHECK(ended == IoStatus::kCancelled);
  pair.transport->resume(Direction::kRead);
  spawn(read(*pair.transport, text, ended), [] {});
  CHECK(ended == IoStatus::kOk);
  CHECK(text == "more and more");
}

TEST_CASE("Transport: what is not acknowledged for too long ends the connection", "[proxy]") {
  TransportFixture test;
  Transport transport(test.loop, test.wheel);
  REQUIRE(transport.assign(Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0))));
  transport.limit_unacknowledged(45s);
  unsigned milliseconds = 0;
  socklen_t size = sizeof(milliseconds);
  REQUIRE(
      ::getsockopt(
          transport.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, &size
      ) == 0
  );
  CHECK(milliseconds == 45'000);
}

TEST_CASE("EventLoop: what was told to a socket that is closed by now is nobody's", "[proxy]") {
  TransportFixture test;
  Pair first(test.loop, test.wheel);
  Pair second(test.loop, test.wheel);
  CHECK(test.loop.sockets() == 2);
  std::optional<IoStatus> ended;
  std::optional<Pair> successor;
  // Both are readable in the same turn; who hears of it first ends the other, whose number is taken
  // by a new one that nothing has come for.
  const auto replace = [&](Pair& other) {
    if (successor) return;
    const int number = other.transport->native_handle();
    other.transport->close();
    successor.emplace(test.loop, test.wheel);
    REQUIRE(successor->transport->native_handle() == number);
    spawn(wait(*successor->transport, Direction::kRead, ended), [] {});
  };
  std::optional<IoStatus> of_first;
  std::optional<IoStatus> of_second;
  spawn(wait(*first.transport, Direction::kRead, of_first), [&] { replace(second); });
  spawn(wait(*second.transport, Direction::kRead, of_second), [&] { replace(first); });
  first.send("x");
  second.send("x");
  REQUIRE(test.run_until([&] { return of_first.has_value() && of_second.has_value(); }));
  test.loop.turn(0ms);
  CHECK_FALSE(ended);
  CHECK(test.loop.sockets() == 2);
  successor->send("y");
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kOk);
}

}  // namespace
}  // namespace cppx::proxy
