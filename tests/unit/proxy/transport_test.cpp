#include "proxy/transport/transport.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

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
  std::optional<Transport> transport;
  Descriptor peer;
};

struct Fixture {
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
  Fixture test;
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

TEST_CASE("Transport: a full buffer may not have been all", "[proxy]") {
  Fixture test;
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
  Fixture test;
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

TEST_CASE("Transport: a full socket is waited for until the peer reads", "[proxy]") {
  Fixture test;
  Pair pair(test.loop, test.wheel);
  const std::string block(65536, 'x');
  iovec piece{.iov_base = const_cast<char*>(block.data()), .iov_len = block.size()};
  while (pair.transport->try_write({&piece, 1}).ok()) {
  }
  std::optional<IoStatus> ended;
  spawn(wait(*pair.transport, Direction::kWrite, ended), [] {});
  test.loop.turn(0ms);
  CHECK_FALSE(ended);
  std::string sink(65536, ' ');
  while (::recv(pair.peer.get(), sink.data(), sink.size(), 0) > 0) {
  }
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kOk);
}

TEST_CASE(
    "Transport: cancelled, timed out and closed waits end later, each with its reason", "[proxy]"
) {
  Fixture test;
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

  ended.reset();
  spawn(wait(*pair.transport, Direction::kRead, ended), [] {});
  pair.transport->close();
  CHECK_FALSE(ended);
  REQUIRE(test.run_until([&] { return ended.has_value(); }));
  CHECK(*ended == IoStatus::kCancelled);
}

TEST_CASE("EventLoop: what was told to a socket that is closed by now is nobody's", "[proxy]") {
  Fixture test;
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
