#include "proxy/upstream/upstream_pool.h"

#include <array>

#include <boost/asio.hpp>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/proxy/turn_until.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::proxy {
namespace {

using boost::asio::ip::tcp;

struct PoolFixture {
  boost::asio::io_context io;
  EventLoop loop;
  TimerWheel wheel{loop};
  tcp::acceptor backend{io, {boost::asio::ip::address_v4::loopback(), 0}};
  UpstreamKey key{
      .address = *routing::EndpointAddress::parse("127.0.0.1", backend.local_endpoint().port())
  };
  std::unique_ptr<tls::ClientContext> tls = tls::ClientContext::create().value();
  routing::ProxySettings settings;

  Task<void> connect_into(UpstreamConnection& connection, IoStatus& status) {
    const auto result = co_await connection.connect(
        UpstreamConnection::open_socket(key), std::chrono::seconds(5), *tls,
        tls::ClientAlpn::kHttp11
    );
    status = result;
  }

  /// A connection, and the backend's end of it.
  std::pair<UpstreamPtr, tcp::socket> connect() {
    auto connection = std::make_unique<UpstreamConnection>(loop, wheel, key);
    auto status = IoStatus::kError;
    bool done = false;
    spawn(connect_into(*connection, status), [&done] { done = true; });
    tcp::socket peer = backend.accept();
    REQUIRE(test::turn_until(loop, [&] { return done; }));
    REQUIRE(status == IoStatus::kOk);
    return {std::move(connection), std::move(peer)};
  }
};

}  // namespace

TEST_CASE("UpstreamPool: the connection used last is taken first, each once", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  const auto* const a_before = a.get();
  const auto* const b_before = b.get();
  CHECK(pool.take(test.key) == nullptr);
  pool.give_back(std::move(a), test.settings);
  pool.give_back(std::move(b), test.settings);
  CHECK(pool.idle() == 2);
  const auto first = pool.take(test.key);
  const auto second = pool.take(test.key);
  CHECK(first.get() == b_before);
  CHECK(second.get() == a_before);
  CHECK(pool.take(test.key) == nullptr);
  CHECK(pool.idle() == 0);
}

TEST_CASE("UpstreamPool: one that was made beside an idle one takes its place", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  CHECK_FALSE(pool.has_idle(test.key));
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  auto [c, peer_c] = test.connect();
  const auto* const b_before = b.get();
  const auto* const c_before = c.get();
  pool.give_back(std::move(a), test.settings);
  CHECK(pool.has_idle(test.key));
  pool.give_back(std::move(b), test.settings);
  c->beside_idle = true;
  pool.give_back(std::move(c), test.settings);
  CHECK(pool.idle() == 2);
  UpstreamPtr last = pool.take(test.key);
  CHECK(last.get() == c_before);
  CHECK_FALSE(last->beside_idle);
  CHECK(pool.take(test.key).get() == b_before);
  CHECK_FALSE(pool.has_idle(test.key));
  // Nothing is left that it could replace.
  last->beside_idle = true;
  pool.give_back(std::move(last), test.settings);
  CHECK(pool.idle() == 1);
}

TEST_CASE("UpstreamPool: what the backend closed or wrote to unasked is not given out", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  auto [closed, closed_peer] = test.connect();
  auto [noisy, noisy_peer] = test.connect();
  auto [good, good_peer] = test.connect();
  const auto* const good_before = good.get();
  auto* const closed_before = closed.get();
  auto* const noisy_before = noisy.get();
  pool.give_back(std::move(good), test.settings);
  pool.give_back(std::move(closed), test.settings);
  pool.give_back(std::move(noisy), test.settings);
  closed_peer.close();
  boost::asio::write(noisy_peer, boost::asio::buffer("x", 1));
  // The loop has to hear of it.
  REQUIRE(test::turn_until(test.loop, [&] {
    return !closed_before->transport().silent() && !noisy_before->transport().silent();
  }));
  CHECK(pool.take(test.key).get() == good_before);
}

// Of a client that went away when all of the response had come, but was not sent yet.
TEST_CASE("UpstreamPool: a cancelled connection is nobody else's", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    auto [connection, peer] = test.connect();
    connection->transport().cancel(direction);
    pool.give_back(std::move(connection), test.settings);
    CHECK(pool.idle() == 0);
  }
}

TEST_CASE("UpstreamPool: limits of number, requests and reuse", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  auto [c, peer_c] = test.connect();
  const auto* const b_before = b.get();
  test.settings.upstream_keepalive_connections = 1;
  pool.give_back(std::move(a), test.settings);
  pool.give_back(std::move(b), test.settings);
  CHECK(pool.idle() == 1);
  b = pool.take(test.key);
  CHECK(b.get() == b_before);
  test.settings.upstream_keepalive_requests = 5;
  b->requests = 5;
  pool.give_back(std::move(b), test.settings);
  CHECK(pool.idle() == 0);
  test.settings.upstream_keepalive_connections = 0;
  pool.give_back(std::move(c), test.settings);
  CHECK(pool.idle() == 0);
}

TEST_CASE("UpstreamPool: idle time passes and the sweep notices what ended", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  pool.give_back(std::move(a), test.settings);
  test.settings.upstream_keepalive_timeout = std::chrono::milliseconds(1);
  pool.give_back(std::move(b), test.settings);
  peer_a.close();
  REQUIRE(test::turn_until(test.loop, [&] { return pool.idle() == 0; }));
}

TEST_CASE("UpstreamPool: the one that has been idle for longest is closed first", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  CHECK_FALSE(pool.close_oldest());
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  const auto* const b_before = b.get();
  pool.give_back(std::move(a), test.settings);
  pool.give_back(std::move(b), test.settings);
  CHECK(pool.close_oldest());
  CHECK(pool.idle() == 1);
  CHECK(pool.take(test.key).get() == b_before);
  CHECK_FALSE(pool.close_oldest());
}

TEST_CASE("UpstreamPool: giving back costs no memory, whatever a sweep found in use", "[proxy]") {
  PoolFixture test;
  UpstreamPool pool(test.wheel);
  auto [a, peer_a] = test.connect();
  auto [b, peer_b] = test.connect();
  pool.give_back(std::move(a), test.settings);
  pool.give_back(std::move(b), test.settings);
  b = pool.take(test.key);
  // It goes with a sweep.
  peer_a.close();
  REQUIRE(test::turn_until(test.loop, [&] { return pool.idle() == 0; }));
  const auto before = cppx::test::allocation_count();
  pool.give_back(std::move(b), test.settings);
  CHECK(cppx::test::allocation_count() == before);
  CHECK(pool.idle() == 1);
}

TEST_CASE("UpstreamConnection: knows whether the peer has received anything", "[proxy]") {
  PoolFixture test;
  auto [connection, peer] = test.connect();
  iovec piece{.iov_base = const_cast<char*>("hello"), .iov_len = 5};
  REQUIRE(connection->transport().try_write({&piece, 1}).bytes == 5);
  std::array<char, 5> got{};
  boost::asio::read(peer, boost::asio::buffer(got));
  CHECK_FALSE(connection->nothing_acknowledged(5));
  CHECK(connection->transport().unacknowledged_bytes() == 0);
  peer.close();
  // The FIN is here before the next write; what is written now is refused by the peer's kernel.
  while (connection->transport().peek().status == IoStatus::kWantRead) {
  }
  REQUIRE(connection->transport().try_write({&piece, 1}).bytes == 5);
  CHECK(connection->nothing_acknowledged(5));
  CHECK(connection->transport().sent_bytes() == 10);
  CHECK(connection->transport().unacknowledged_bytes() == 5);
}

}  // namespace cppx::proxy
