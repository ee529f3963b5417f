#include "proxy/worker/connection_limit.h"

#include <cstdint>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "proxy/transport/transport.h"
#include "proxy/worker/idle_list.h"

namespace cppx::proxy {
namespace {

TEST_CASE("connection_limit: the smaller of the setting and half of the files", "[proxy]") {
  const struct {
    std::uint32_t connections, open_files;
    std::uint64_t of_worker, limit;
  } cases[] = {
      {16384, 0, 1000000, 16384},
      {16384, 0, 1000, 500},
      {0, 0, 1000000, 500000},
      {0, 300, 1000000, 150},
      {100, 300, 1000000, 100},
      {16384, 5000, 1000, 500},
      {1, 0, 1000, 1},
      {0, 1, 1000, 1},
      {0, 0, 0, 1},
  };
  for (const auto& c : cases) {
    CAPTURE(c.connections, c.open_files, c.of_worker);
    routing::ProxySettings settings;
    settings.max_worker_connections = c.connections;
    settings.max_worker_open_files = c.open_files;
    CHECK(connection_limit(settings, c.of_worker) == c.limit);
  }
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
  Idle(Poller& poller, TimerWheel& wheel) : transport(poller, wheel), link(transport) {}
  [[nodiscard]] bool shed() {
    const bool cancelled = transport.wait(Direction::kRead).await_ready();
    return cancelled && transport.wait(Direction::kRead).await_resume() == IoStatus::kCancelled;
  }
  Transport transport;
  IdleLink link;
};

TEST_CASE("IdleList: who has been idle for longest goes first", "[proxy]") {
  boost::asio::io_context io{1};
  Poller poller(io);
  TimerWheel wheel(io);
  IdleList list;
  CHECK_FALSE(list.shed_oldest());
  Idle a(poller, wheel);
  Idle b(poller, wheel);
  {
    Idle gone(poller, wheel);
    list.enter(gone.link);
  }
  list.enter(a.link);
  list.enter(b.link);
  list.enter(a.link);
  CHECK(list.shed_oldest());
  CHECK(a.link.is_linked());
  CHECK_FALSE(b.link.is_linked());
  a.link.leave();
  a.link.leave();
  CHECK_FALSE(list.shed_oldest());
}

TEST_CASE("IdleList: while room is wanted nobody becomes idle", "[proxy]") {
  boost::asio::io_context io{1};
  Poller poller(io);
  TimerWheel wheel(io);
  IdleList list;
  Idle a(poller, wheel);
  list.want_room(true);
  list.enter(a.link);
  CHECK_FALSE(a.link.is_linked());
  CHECK(a.shed());
  list.want_room(false);
  list.enter(a.link);
  CHECK(a.link.is_linked());
}

}  // namespace
}  // namespace cppx::proxy
