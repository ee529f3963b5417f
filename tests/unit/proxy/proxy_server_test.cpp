#include "proxy/proxy_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio.hpp>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/proxy/small_site.h"

namespace cppx::proxy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

ProxyOptions options(std::uint32_t workers) {
  return {
      .workers = workers,
      .listeners =
          {{.name = "http", .tls = false, .bind_address = "127.0.0.1"},
           {.name = "https", .tls = true, .bind_address = "127.0.0.1"}}
  };
}

template <class Condition>
bool wait_for(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

}  // namespace

TEST_CASE("ProxyServer: clients wait for the first snapshot instead of being refused", "[proxy]") {
  test::Backend backend;
  ProxyServer proxy(options(2), [](const auto&) {});
  REQUIRE(proxy.start().has_value());
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  asio::write(client, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")));
  CHECK(proxy.serving_generation() == 0);
  proxy.publish(test::snapshot_to(backend.port(), 1));
  std::string answer;
  asio::read_until(client, asio::dynamic_buffer(answer), "\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(wait_for([&] { return proxy.serving_generation() == 1; }));
}

TEST_CASE("ProxyServer: old snapshots come back once nobody uses them", "[proxy]") {
  test::Backend backend;
  std::atomic<int> retired{0};
  ProxyServer proxy(options(2), [&retired](std::shared_ptr<const routing::Snapshot> old) {
    CHECK(old);
    ++retired;
  });
  REQUIRE(proxy.start().has_value());
  proxy.publish(test::snapshot_to(backend.port(), 1));
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  for (std::uint64_t generation = 2; generation <= 5; ++generation) {
    CHECK(test::ask(client, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
    proxy.publish(test::snapshot_to(backend.port(), generation));
  }
  // Each of the two workers gives back each of the four.
  CHECK(wait_for([&] { return retired == 8; }));
}

TEST_CASE("ProxyServer: draining closes idle connections and stop() ends", "[proxy]") {
  test::Backend backend;
  ProxyServer proxy(options(1), [](const auto&) {});
  REQUIRE(proxy.start().has_value());
  proxy.publish(test::snapshot_to(backend.port(), 1));
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  REQUIRE(test::ask(client, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(proxy.active_connections() == 1);
  proxy.drain();
  CHECK(wait_for([&] { return proxy.active_connections() == 0; }));
  boost::system::error_code error;
  tcp::socket late(io);
  late.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port}, error);
  CHECK(error);
  proxy.stop();
}

TEST_CASE(
    "ProxyServer: short of memory it begins nothing new, and goes on when there is more", "[proxy]"
) {
  test::Backend backend;
  ProxyServer proxy(options(1), [](const auto&) {});
  REQUIRE(proxy.start().has_value());
  proxy.publish(test::snapshot_to(backend.port(), 1));
  const std::string request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
  asio::io_context io;
  const auto connect = [&] {
    tcp::socket client(io);
    client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
    return client;
  };
  // One that has begun a request is neither idle nor new: it gets its answer.
  tcp::socket begun = connect();
  asio::write(begun, asio::buffer(request.substr(0, 20)));
  tcp::socket idle = connect();
  REQUIRE(test::ask(idle, request).starts_with("HTTP/1.1 200 "));
  // Near to it only what is kept goes back.
  proxy.on_memory_level(MemoryLevel::kHigh);
  CHECK(test::ask(idle, request).starts_with("HTTP/1.1 200 "));
  CHECK(proxy.counters().idle_connections_shed == 0);
  proxy.on_memory_level(MemoryLevel::kShort);
  CHECK(wait_for([&] { return proxy.counters().idle_connections_shed == 1; }));
  asio::write(begun, asio::buffer(request.substr(20)));
  std::string answer;
  asio::read_until(begun, asio::dynamic_buffer(answer), "\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 503 "));
  CHECK(proxy.counters().requests_short_of_memory == 1);
  // Who comes now waits until there is memory.
  tcp::socket waiting = connect();
  asio::write(waiting, asio::buffer(request));
  CHECK(wait_for([&] { return proxy.counters().accepts_paused > 0; }));
  proxy.on_memory_level(MemoryLevel::kHigh);
  answer.clear();
  asio::read_until(waiting, asio::dynamic_buffer(answer), "\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  // Without any left the last connections are cut.
  proxy.on_memory_level(MemoryLevel::kExhausted);
  CHECK(wait_for([&] { return proxy.counters().connections_cut_for_memory > 0; }));
}

TEST_CASE("ProxyServer: a port in use is one clear error", "[proxy]") {
  asio::io_context io;
  tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
  auto with_port = options(1);
  with_port.listeners[0].port = taken.local_endpoint().port();
  ProxyServer proxy(with_port, [](const auto&) {});
  const auto started = proxy.start();
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().detail.find("cannot listen on 127.0.0.1 port") != std::string::npos);
  CHECK(started.error().detail.find("Address already in use") != std::string::npos);
}

}  // namespace cppx::proxy
