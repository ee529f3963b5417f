#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>

#include <boost/asio.hpp>
#include <catch2/catch_test_macros.hpp>

#include "proxy/proxy_server.h"
#include "tests/unit/proxy/small_site.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::proxy {
namespace {

using boost::asio::ip::tcp;

/// A proxy of one worker, which tells how often it has asked the heap.
class CountedProxy {
 public:
  explicit CountedProxy(bool access_log)
      : access_log_(access_log),
        proxy_(
            {.workers = 1,
             .listeners = {{.name = "http", .tls = false, .bind_address = "127.0.0.1"}}},
            [this](const auto&) { counted_.set_value(cppx::test::allocation_count()); }
        ) {
    REQUIRE(proxy_.start().has_value());
    publish();
    client_.connect({boost::asio::ip::address_v4::loopback(), proxy_.bound()[0].port});
  }

  void ask(int times, const std::string& request) {
    for (int i = 0; i < times; ++i)
      REQUIRE(test::ask(client_, request).starts_with("HTTP/1.1 200 "));
  }

  /// By the worker so far. Told when it gives back a snapshot, which costs it the same each time.
  std::size_t allocations() {
    counted_ = {};
    auto count = counted_.get_future();
    publish();
    REQUIRE(count.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    return count.get();
  }

 private:
  void publish() { proxy_.publish(test::snapshot_to(backend_.port(), ++generation_, access_log_)); }

  bool access_log_;
  std::uint64_t generation_ = 0;
  test::Backend backend_;
  std::promise<std::size_t> counted_;
  ProxyServer proxy_;
  boost::asio::io_context io_;
  tcp::socket client_{io_};
};

/// How often the worker asked the heap for 590 requests.
std::size_t asked_for_requests(bool access_log, const std::string& request) {
  CountedProxy proxy(access_log);
  // Enough for pools and tables to reach their size.
  for (int i = 0; i < 3; ++i) {
    proxy.ask(100, request);
    proxy.allocations();
  }
  const std::size_t first = proxy.allocations();
  proxy.ask(10, request);
  const std::size_t second = proxy.allocations();
  proxy.ask(600, request);  // a connection has 1000
  const std::size_t third = proxy.allocations();
  return third - second - (second - first);
}

void check_steady_state(bool access_log, const std::string& request) {
  // On a machine that stands still for seconds the worker gives back what it kept, and asks anew.
  constexpr int kAttempts = 5;
  std::size_t asked = 1;
  for (int attempt = 0; attempt < kAttempts && asked != 0; ++attempt)
    asked = asked_for_requests(access_log, request);
  CHECK(asked == 0);
}

TEST_CASE("A request over HTTP/1.1 keep-alive connections asks the heap for nothing", "[proxy]") {
  check_steady_state(
      false, "GET /some/path?with=query HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n"
  );
}

TEST_CASE("A request with a line in the access log asks the heap for nothing", "[proxy]") {
  check_steady_state(true, "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\n\r\n");
}

}  // namespace
}  // namespace cppx::proxy
