#include "proxy/proxy_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio.hpp>
#include <catch2/catch_test_macros.hpp>

#include "routing/snapshot.h"
#include "tls/self_signed.h"
#include "tls/sni_table.h"

namespace cppx::proxy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

std::shared_ptr<const routing::Snapshot> snapshot_to(
    std::uint16_t backend_port, std::uint64_t generation
) {
  auto pool = std::make_shared<routing::EndpointPool>();
  pool->name = "ns/svc:80";
  pool->identity = 1;
  pool->status = routing::PoolStatus::kReady;
  pool->endpoints = {*routing::EndpointAddress::parse("127.0.0.1", backend_port)};
  auto host = std::make_shared<routing::VirtualHost>();
  host->name = "a.test";
  routing::Route route;
  route.pool = 0;
  host->add_route(route);
  auto snapshot = std::make_shared<routing::Snapshot>();
  snapshot->generation = generation;
  auto settings = std::make_shared<routing::ProxySettings>();
  settings->access_log.enabled = false;
  snapshot->settings = std::move(settings);
  snapshot->pools = {pool};
  auto table = std::make_shared<routing::RoutingTable>(
      std::vector<std::shared_ptr<const routing::VirtualHost>>{host}
  );
  auto certificates = std::make_shared<tls::SniTable>(*tls::make_default_certificate());
  snapshot->listeners = {
      {.name = "http",
       .protocol = routing::ListenerProtocol::kHttp,
       .routes = table,
       .certificates = nullptr},
      {.name = "https",
       .protocol = routing::ListenerProtocol::kHttps,
       .routes = table,
       .certificates = certificates}
  };
  return snapshot;
}

/// Answers each request with the same 2 bytes, one connection at a time, on a thread of its own.
class Backend {
 public:
  Backend() : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}), thread_([this] { serve(); }) {}
  ~Backend() {
    ending_ = true;
    // Wakes accept().
    tcp::socket last(io_);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    last.close();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void serve() {
    while (!ending_) {
      tcp::socket socket = acceptor_.accept();
      std::string buffer;
      boost::system::error_code error;
      while (!ending_) {
        const auto size = asio::read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n", error);
        if (error) break;
        buffer.erase(0, size);
        asio::write(
            socket, asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
            error
        );
        if (error) break;
      }
    }
  }

  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

std::string ask(tcp::socket& socket, const std::string& request) {
  boost::system::error_code error;
  asio::write(socket, asio::buffer(request), error);
  std::string answer;
  asio::read_until(socket, asio::dynamic_buffer(answer), "\r\n\r\n", error);
  return answer;
}

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
  Backend backend;
  ProxyServer proxy(options(2), [](const auto&) {});
  REQUIRE(proxy.start().has_value());
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  asio::write(client, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")));
  CHECK(proxy.serving_generation() == 0);
  proxy.publish(snapshot_to(backend.port(), 1));
  std::string answer;
  asio::read_until(client, asio::dynamic_buffer(answer), "\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(wait_for([&] { return proxy.serving_generation() == 1; }));
}

TEST_CASE("ProxyServer: old snapshots come back once nobody uses them", "[proxy]") {
  Backend backend;
  std::atomic<int> retired{0};
  ProxyServer proxy(options(2), [&retired](std::shared_ptr<const routing::Snapshot> old) {
    CHECK(old);
    ++retired;
  });
  REQUIRE(proxy.start().has_value());
  proxy.publish(snapshot_to(backend.port(), 1));
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  for (std::uint64_t generation = 2; generation <= 5; ++generation) {
    CHECK(ask(client, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
    proxy.publish(snapshot_to(backend.port(), generation));
  }
  // Each of the two workers gives back each of the four.
  CHECK(wait_for([&] { return retired == 8; }));
}

TEST_CASE("ProxyServer: draining closes idle connections and stop() ends", "[proxy]") {
  Backend backend;
  ProxyServer proxy(options(1), [](const auto&) {});
  REQUIRE(proxy.start().has_value());
  proxy.publish(snapshot_to(backend.port(), 1));
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port});
  REQUIRE(ask(client, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(proxy.active_connections() == 1);
  proxy.drain();
  CHECK(wait_for([&] { return proxy.active_connections() == 0; }));
  boost::system::error_code error;
  tcp::socket late(io);
  late.connect({asio::ip::address_v4::loopback(), proxy.bound()[0].port}, error);
  CHECK(error);
  proxy.stop();
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
