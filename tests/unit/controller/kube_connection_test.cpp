#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/kube/connection.h"
#include "tests/unit/controller/fake_api_server.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

/// A place where connects are neither taken nor refused: a listener whose queue is full.
class BlackHole {
 public:
  explicit BlackHole(boost::asio::io_context& io) : listener_(io) {
    listener_.open(tcp::v4());
    listener_.bind({boost::asio::ip::address_v4::loopback(), 0});
    // Without SYN cookies a queue of no length at all takes nobody, who then would not fill it.
    listener_.listen(1);
    // Those for whom there is no room are still connecting then.
    for (int i = 0; i < 5; ++i) {
      auto& socket = waiting_.emplace_back(io, tcp::v4());
      socket.native_non_blocking(true);
      const tcp::endpoint to = endpoint();
      ::connect(socket.native_handle(), to.data(), static_cast<socklen_t>(to.size()));
    }
  }

  [[nodiscard]] tcp::endpoint endpoint() const { return listener_.local_endpoint(); }

 private:
  tcp::acceptor listener_;
  std::vector<tcp::socket> waiting_;
};

struct ConnectSetup {
  Result<std::unique_ptr<Connection>> open(
      std::vector<tcp::endpoint> endpoints, std::chrono::milliseconds patience
  ) {
    ConnectionTarget target{.endpoints = std::move(endpoints), .tls = nullptr, .server_name = {}};
    const auto deadline = std::chrono::steady_clock::now() + patience;
    return run_task(io, Connection::open(io.get_executor(), std::move(target), deadline, deadline));
  }

  boost::asio::io_context io{1};
  FakeApiServer server{io, [](const FakeRequest&) { return FakeReply{}; }};
  BlackHole hole{io};
  tcp::endpoint good{boost::asio::ip::address_v4::loopback(), server.port()};
};

TEST_CASE("Connection: an address that swallows packets leaves time for the next", "[controller]") {
  ConnectSetup test;
  const auto opened = test.open({test.hole.endpoint(), test.good}, 2s);
  INFO((opened ? "" : opened.error().detail));
  CHECK(opened.has_value());
}

TEST_CASE("Connection: an address that refuses is passed over at once", "[controller]") {
  ConnectSetup test;
  const tcp::endpoint refused(boost::asio::ip::address_v6::loopback(), test.server.port());
  const auto opened = test.open({refused, test.good}, 500ms);
  INFO((opened ? "" : opened.error().detail));
  CHECK(opened.has_value());
}

TEST_CASE("Connection: no address answers until the deadline", "[controller]") {
  ConnectSetup test;
  const auto opened = test.open({test.hole.endpoint()}, 50ms);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::kTimeout);
  CHECK(opened.error().detail.ends_with(": timed out"));
}

}  // namespace
}  // namespace cppx::controller::test
