#include "proxy/worker/connection_limit.h"

#include <sys/socket.h>

#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

#include "base/descriptor.h"
#include "proxy/coro/task.h"
#include "proxy/transport/event_loop.h"
#include "proxy/transport/transport.h"
#include "proxy/worker/idle_list.h"
#include "proxy/worker/timer_wheel.h"

namespace cppx::proxy {
namespace {

TEST_CASE("has_room_for_client: up to the setting, and some files stay for backends", "[proxy]") {
  const struct {
    std::uint32_t connections, open_files;
    OpenSockets sockets;
    bool room;
  } cases[] = {
      {16384, 0, {.clients = 16383, .all = 16383, .open_files_of_worker = 1000000}, true},
      {16384, 0, {.clients = 16384, .all = 16384, .open_files_of_worker = 1000000}, false},
      {0, 0, {.clients = 16384, .all = 16384, .open_files_of_worker = 1000000}, true},
      {0, 0, {.clients = 10, .all = 874, .open_files_of_worker = 1000}, true},
      {0, 0, {.clients = 10, .all = 875, .open_files_of_worker = 1000}, false},
      {0, 0, {.clients = 875, .all = 875, .open_files_of_worker = 1000}, false},
      {0, 80, {.clients = 10, .all = 69, .open_files_of_worker = 1000}, true},
      {0, 80, {.clients = 10, .all = 70, .open_files_of_worker = 1000}, false},
      {0, 5000, {.clients = 10, .all = 875, .open_files_of_worker = 1000}, false},
      {1, 0, {.clients = 1, .all = 1, .open_files_of_worker = 1000}, false},
      {1, 1, {.clients = 0, .all = 1000, .open_files_of_worker = 1}, true},
      {0, 0, {.clients = 0, .all = 0, .open_files_of_worker = 0}, true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.connections, c.open_files, c.sockets.clients, c.sockets.all);
    routing::ProxySettings settings;
    settings.max_worker_connections = c.connections;
    settings.max_worker_open_files = c.open_files;
    CHECK(has_room_for_client(settings, c.sockets) == c.room);
  }
}

TEST_CASE(
    "lacks_files_for_client: not where the number of connections is what is short", "[proxy]"
) {
  routing::ProxySettings settings;
  settings.max_worker_connections = 10;
  OpenSockets sockets{.clients = 10, .all = 874, .open_files_of_worker = 1000};
  CHECK_FALSE(has_room_for_client(settings, sockets));
  CHECK_FALSE(lacks_files_for_client(settings, sockets));
  sockets.all = 875;
  CHECK(lacks_files_for_client(settings, sockets));
}

TEST_CASE("needs_room_for_upstream: past the worker's share of files", "[proxy]") {
  routing::ProxySettings settings;
  CHECK_FALSE(needs_room_for_upstream(settings, {.all = 999, .open_files_of_worker = 1000}));
  CHECK(needs_room_for_upstream(settings, {.all = 1000, .open_files_of_worker = 1000}));
  settings.max_worker_open_files = 100;
  CHECK_FALSE(needs_room_for_upstream(settings, {.all = 99, .open_files_of_worker = 1000}));
  CHECK(needs_room_for_upstream(settings, {.all = 100, .open_files_of_worker = 1000}));
}

TEST_CASE("open_files_of_worker: an equal share of what is not for others", "[proxy]") {
  CHECK(open_files_of_worker(1048576, 4) == (1048576 - 256) / 4);
  CHECK(open_files_of_worker(1024, 2) == 384);
  CHECK(open_files_of_worker(100, 1) == 75);
  CHECK(open_files_of_worker(100, 0) == 75);
}

TEST_CASE("raise_open_files_limit: says what holds, also the second time", "[proxy]") {
  const std::uint64_t limit = raise_open_files_limit();
  CHECK(limit > 0);
  CHECK(raise_open_files_limit() == limit);
}

struct Idle {
  Idle(EventLoop& loop, TimerWheel& wheel) : transport(loop, wheel), link(transport) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    client = Descriptor(pair[0]);
    REQUIRE(transport.assign(Descriptor(pair[1])));
  }
  [[nodiscard]] bool shed() {
    const bool cancelled = transport.wait(Direction::kRead).await_ready();
    return cancelled && transport.wait(Direction::kRead).await_resume() == IoStatus::kCancelled;
  }
  Descriptor client;
  Transport transport;
  IdleLink link;
};

TEST_CASE("IdleList: who has been idle for longest goes first", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  IdleList list;
  CHECK_FALSE(list.shed_oldest(0));
  Idle a(loop, wheel);
  Idle b(loop, wheel);
  {
    Idle gone(loop, wheel);
    list.enter(gone.link, false);
  }
  list.enter(a.link, false);
  list.enter(b.link, false);
  list.enter(a.link, false);
  CHECK(list.shed_oldest(0));
  CHECK(a.link.is_linked());
  CHECK_FALSE(b.link.is_linked());
  a.link.leave();
  a.link.leave();
  CHECK_FALSE(list.shed_oldest(0));
}

TEST_CASE("IdleList: while room is wanted nobody becomes idle", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  IdleList list;
  Idle a(loop, wheel);
  list.want_room(true);
  list.enter(a.link, false);
  CHECK_FALSE(a.link.is_linked());
  CHECK(a.shed());
  list.want_room(false);
  list.enter(a.link, false);
  CHECK(a.link.is_linked());
}

TEST_CASE("IdleList: a few that have just come are heard out, many are not", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  IdleList list;
  Idle a(loop, wheel);
  Idle b(loop, wheel);
  Idle c(loop, wheel);
  for (Idle* idle : {&a, &b, &c}) list.enter(idle->link, true);
  CHECK(list.shed_oldest(2));
  CHECK(a.shed());
  // Given its time, and not asked a second time.
  CHECK_FALSE(list.shed_oldest(2));
  CHECK_FALSE(b.link.is_linked());
  CHECK_FALSE(b.shed());
  list.want_room(true);
  list.enter(b.link, true);
  CHECK_FALSE(b.link.is_linked());
  CHECK_FALSE(b.shed());
  list.enter(b.link, false);
  CHECK(b.shed());
  // Who was served before is not new.
  list.want_room(false);
  list.enter(c.link, false);
  CHECK(list.shed_oldest(2));
  CHECK(c.shed());
}

Task<void> wait_into(IoStatus& ended, Transport& transport, EventLoop& loop) {
  ended = co_await transport.wait(Direction::kRead);
  loop.stop();
}

TEST_CASE("IdleList: who has just come and keeps silent goes when its time is over", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  IdleList list;
  Idle a(loop, wheel);
  list.want_room(true);
  list.enter(a.link, true);
  auto ended = IoStatus::kOk;
  // Being asked does not give it more time than it had.
  a.transport.arm_read(std::chrono::milliseconds(100));
  list.enter(a.link, true);
  const auto begun = std::chrono::steady_clock::now();
  spawn(wait_into(ended, a.transport, loop), [] {});
  loop.run();
  CHECK(ended == IoStatus::kTimeout);
  CHECK(std::chrono::steady_clock::now() - begun < IdleList::kNewcomerPatience);
}

TEST_CASE("IdleList: behind one that has just come another one goes", "[proxy]") {
  EventLoop loop;
  TimerWheel wheel(loop);
  IdleList list;
  Idle newcomer(loop, wheel);
  Idle served(loop, wheel);
  list.enter(newcomer.link, true);
  list.enter(served.link, false);
  CHECK(list.shed_oldest(8));
  CHECK_FALSE(newcomer.shed());
  CHECK(served.shed());
}

}  // namespace
}  // namespace cppx::proxy
