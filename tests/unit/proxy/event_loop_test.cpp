#include "proxy/transport/event_loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "base/descriptor.h"
#include "proxy/coro/task.h"
#include "proxy/transport/fair_share.h"
#include "proxy/transport/transport.h"
#include "proxy/worker/timer_wheel.h"
#include "tests/unit/proxy/turn_until.h"

namespace cppx::proxy {
namespace {

using namespace std::chrono_literals;
using test::turn_until;

TEST_CASE("EventLoop: work of other threads is done on the loop's, in their order", "[proxy]") {
  constexpr int kEach = 2'000;
  EventLoop loop;
  std::array<std::vector<int>, 2> done;
  std::atomic<bool> elsewhere{false};
  std::thread::id own;
  int left = 2 * kEach;
  std::thread runner([&] {
    own = std::this_thread::get_id();
    loop.run();
  });
  std::vector<std::thread> posters;
  for (std::vector<int>& order : done)
    posters.emplace_back([&loop, &order, &elsewhere, &own, &left] {
      for (int i = 0; i < kEach; ++i)
        loop.post([&loop, &order, &elsewhere, &own, &left, i] {
          if (std::this_thread::get_id() != own) elsewhere = true;
          order.push_back(i);
          if (--left == 0) loop.stop();
        });
    });
  for (std::thread& poster : posters) poster.join();
  runner.join();
  CHECK_FALSE(elsewhere);
  for (const std::vector<int>& order : done) {
    REQUIRE(order.size() == kEach);
    CHECK(std::ranges::is_sorted(order));
  }
}

TEST_CASE("EventLoop: what was posted before it stopped is done", "[proxy]") {
  EventLoop loop;
  int done = 0;
  loop.post([&] { ++done; });
  loop.post([&] { loop.stop(); });
  loop.post([&] { ++done; });
  loop.run();
  CHECK(done == 2);
}

TEST_CASE("EventLoop: what posts itself again lets the sockets have their turn", "[proxy]") {
  EventLoop loop;
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    loop.post(again);
  };
  loop.post(again);
  loop.turn(20s);
  loop.turn(20s);
  CHECK(rounds == 2);
}

struct Told final : EventLoop::Readable {
  void on_readable() override { ++times; }
  int times = 0;
};

Task<void> never_wait(EventLoop& loop, int& steps) {
  FairShare share(loop);
  for (; steps < 1000; ++steps) co_await share.step();
  loop.stop();
}

TEST_CASE("FairShare: who never has to wait lets the others have their turn", "[proxy]") {
  EventLoop loop;
  int steps = 0;
  int when_posted = -1;
  loop.post([&] {
    spawn(never_wait(loop, steps), [] {});
    loop.post([&] { when_posted = steps; });
  });
  loop.run();
  CHECK(steps == 1000);
  CHECK(when_posted > 0);
  CHECK(when_posted < 100);
}

TEST_CASE("FairShare: who waits by itself is not held up", "[proxy]") {
  EventLoop loop;
  FairShare share(loop);
  int held_up = 0;
  std::function<void(int)> turn = [&](int left) {
    for (int i = 0; i < 10; ++i) held_up += share.step().await_ready() ? 0 : 1;
    if (left == 0) return loop.stop();
    loop.post([&turn, left] { turn(left - 1); });
  };
  loop.post([&turn] { turn(100); });
  loop.run();
  CHECK(held_up == 0);
}

Task<void> look_when_woken(Transport& own, const Transport& other, bool& silent) {
  [[maybe_unused]] const auto ready = co_await own.wait(Direction::kRead);
  silent = other.silent();
}

// As a request that takes up an idle connection to a backend that has ended meanwhile.
TEST_CASE("EventLoop: who is woken knows what else has come in the same turn", "[proxy]") {
  for (const std::size_t first : {0U, 1U}) {
    CAPTURE(first);
    EventLoop loop;
    TimerWheel wheel(loop);
    std::array<Transport, 2> transports{Transport(loop, wheel), Transport(loop, wheel)};
    std::array<Descriptor, 2> peers;
    for (std::size_t i = 0; i < peers.size(); ++i) {
      std::array<int, 2> ends{};
      REQUIRE(
          ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0
      );
      REQUIRE(transports[i].assign(Descriptor(ends[0])));
      peers[i] = Descriptor(ends[1]);
    }
    loop.turn(1ms);  // both can be written to
    bool ended = false;
    bool silent = true;
    spawn(look_when_woken(transports[0], transports[1], silent), [&] { ended = true; });
    for (const std::size_t i : {first, 1 - first})
      REQUIRE(::send(peers[i].get(), "x", 1, MSG_NOSIGNAL) == 1);
    loop.turn(20s);
    REQUIRE(ended);
    CHECK_FALSE(silent);
  }
}

TEST_CASE("EventLoop: a listening socket is told of for as long as it is readable", "[proxy]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  Descriptor watched(ends[0]);
  const Descriptor peer(ends[1]);
  EventLoop loop;
  Told told;
  REQUIRE(loop.add(watched.get(), told));
  CHECK(loop.sockets() == 0);  // not one of a transport
  loop.turn(1ms);
  CHECK(told.times == 0);
  REQUIRE(::send(peer.get(), "x", 1, MSG_NOSIGNAL) == 1);
  loop.turn(20s);
  loop.turn(20s);
  CHECK(told.times == 2);

  // Another process may go on with it.
  const Descriptor shared(::dup(watched.get()));
  loop.remove(watched.get());
  watched.reset();
  loop.turn(1ms);
  CHECK(told.times == 2);
}

TEST_CASE("EventLoop: what was posted does not wait for a crowd of sockets", "[proxy]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Descriptor watched(ends[0]);
  const Descriptor peer(ends[1]);
  EventLoop loop;
  Told told;
  std::vector<Descriptor> crowd(400);  // more than a turn takes
  for (Descriptor& one : crowd) {
    one = Descriptor(::fcntl(watched.get(), F_DUPFD_CLOEXEC, 0));
    REQUIRE(one.is_open());
    REQUIRE(loop.add(one.get(), told));
  }
  REQUIRE(::send(peer.get(), "x", 1, MSG_NOSIGNAL) == 1);
  loop.turn(20s);
  REQUIRE(told.times > 0);
  REQUIRE(told.times < 400);
  int done = 0;
  int told_before = 0;
  loop.post([&] {
    ++done;
    told_before = told.times;
  });
  const int before = told.times;
  loop.turn(20s);
  CHECK(done == 1);
  CHECK(told_before == before);
  CHECK(told.times > before);
  for (const Descriptor& one : crowd) loop.remove(one.get());
  // And it is over with that: nothing is left to wake up for.
  const std::uint64_t turns = loop.turns();
  loop.turn(1ms);
  loop.turn(1ms);
  CHECK(done == 1);
  CHECK(loop.turns() == turns + 2);
}

TEST_CASE("EventLoop: what the kernel does not watch leaves no trace", "[proxy]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Descriptor peer(ends[1]);
  Descriptor socket(ends[0]);
  EventLoop loop;
  TimerWheel wheel(loop);
  // A file is always ready, and refused (EPERM); as a socket is when there is no memory.
  const int number = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  REQUIRE(number >= 0);
  Told refused;
  CHECK_FALSE(loop.add(number, refused));
  auto transport = std::make_unique<Transport>(loop, wheel);
  CHECK_FALSE(transport->assign(Descriptor(number)));
  CHECK_FALSE(transport->is_open());
  transport.reset();
  CHECK(loop.sockets() == 0);

  // Whoever gets the number next is the only one that is told.
  REQUIRE(::dup3(socket.get(), number, O_CLOEXEC) == number);
  const Descriptor successor(number);
  socket.reset();
  Told told;
  REQUIRE(loop.add(number, told));
  REQUIRE(::send(peer.get(), "x", 1, MSG_NOSIGNAL) == 1);
  loop.turn(20s);
  CHECK(told.times == 1);
  CHECK(refused.times == 0);
  loop.remove(number);
}

struct PassedTimer final : EventLoop::Timer {
  void on_time() override { passed.push_back(EventLoop::Clock::now()); }
  std::vector<EventLoop::Clock::time_point> passed;
};

TEST_CASE("EventLoop: its timer is never early, and once for each time that was set", "[proxy]") {
  EventLoop loop;
  PassedTimer clock;
  const auto start = EventLoop::Clock::now();
  loop.set_timer(clock, start + 1h);
  loop.set_timer(clock, start + 30ms);
  REQUIRE(turn_until(loop, [&] { return !clock.passed.empty(); }));
  CHECK(clock.passed.front() >= start + 30ms);
  loop.turn(1ms);
  CHECK(clock.passed.size() == 1);

  loop.set_timer(clock, start);
  const std::uint64_t turns = loop.turns();
  REQUIRE(turn_until(loop, [&] { return clock.passed.size() == 2; }));
  CHECK(loop.turns() == turns + 1);
}

TEST_CASE("EventLoop: it sleeps until the time comes", "[proxy]") {
  EventLoop loop;
  PassedTimer clock;
  loop.set_timer(clock, EventLoop::Clock::now() + 200ms);
  REQUIRE(turn_until(loop, [&] { return !clock.passed.empty(); }));
  // Of at most 100 ms each; the coarse clock may ask for one more.
  CHECK(loop.turns() <= 5);
}

}  // namespace
}  // namespace cppx::proxy
