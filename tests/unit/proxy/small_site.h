#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio.hpp>

#include "routing/snapshot.h"
#include "tls/self_signed.h"
#include "tls/sni_table.h"

namespace cppx::proxy::test {

/// One host, a.test, with one backend on the loopback address.
inline std::shared_ptr<const routing::Snapshot> snapshot_to(
    std::uint16_t backend_port, std::uint64_t generation, bool access_log = false
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
  settings->access_log.enabled = access_log;
  settings->access_log.path = "/dev/null";
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
  Backend()
      : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this] { serve(); }) {}
  ~Backend() {
    ending_ = true;
    // Wakes accept().
    boost::asio::ip::tcp::socket last(io_);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    last.close();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void serve() {
    while (!ending_) {
      boost::asio::ip::tcp::socket socket = acceptor_.accept();
      std::string buffer;
      boost::system::error_code error;
      while (!ending_) {
        const auto size =
            boost::asio::read_until(socket, boost::asio::dynamic_buffer(buffer), "\r\n\r\n", error);
        if (error) break;
        buffer.erase(0, size);
        boost::asio::write(
            socket,
            boost::asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
            error
        );
        if (error) break;
      }
    }
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

/// Sends a request; the head of the answer.
inline std::string ask(boost::asio::ip::tcp::socket& socket, const std::string& request) {
  boost::system::error_code error;
  boost::asio::write(socket, boost::asio::buffer(request), error);
  std::string answer;
  boost::asio::read_until(socket, boost::asio::dynamic_buffer(answer), "\r\n\r\n", error);
  return answer;
}

}  // namespace cppx::proxy::test
