#include "app/demo_backends.h"

#include <fmt/format.h>

#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "app/await.h"
#include "base/log.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr std::chrono::seconds kBackendIdle{75};

std::string describe(const std::string& name, const http::request<http::string_body>& request) {
  std::string text = fmt::format(
      "{}\n{} {}\n", name, std::string_view(request.method_string()),
      std::string_view(request.target())
  );
  for (const auto& field : request)
    text += fmt::format(
        "{}: {}\n", std::string_view(field.name_string()), std::string_view(field.value())
    );
  if (!request.body().empty()) text += fmt::format("{} bytes of body\n", request.body().size());
  return text;
}

asio::awaitable<void> session(tcp::socket socket, std::string name) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    http::request<http::string_body> request;
    stream.expires_after(kBackendIdle);
    const auto [read_error, read] = co_await http::async_read(stream, buffer, request, kAwait);
    if (read_error) break;
    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.keep_alive(request.keep_alive());
    response.body() = describe(name, request);
    response.prepare_payload();
    if (request.method() == http::verb::head) response.body().clear();
    keep_alive = response.keep_alive();
    const auto [write_error, written] = co_await http::async_write(stream, response, kAwait);
    if (write_error) break;
  }
}

asio::awaitable<void> accept(tcp::acceptor acceptor, std::string name) {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(kAwait);
    if (error) co_return;
    asio::co_spawn(acceptor.get_executor(), session(std::move(socket), name), asio::detached);
  }
}

}  // namespace

struct DemoBackends::Impl {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::set<routing::EndpointAddress> serving;  // used on the thread only
  std::thread thread{[this] { io.run(); }};

  void add(const routing::EndpointAddress& address, const std::string& pool) {
    if (!serving.insert(address).second) return;
    const auto text = address.to_string();
    boost::system::error_code error;
    tcp::acceptor acceptor(io);
    const auto ip = asio::ip::make_address(text.substr(0, text.rfind(':')), error);
    if (!error) acceptor.open(tcp::v4(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    // The proxy listens on the same port of all addresses: the kernel prefers the exact one.
    if (!error) acceptor.set_option(ReusePort(true), error);
    if (!error) acceptor.bind({ip, address.port}, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      log::error("demo backend {} cannot listen: {}", text, error.message());
      return;
    }
    asio::co_spawn(
        io, accept(std::move(acceptor), fmt::format("{} of {}", text, pool)), asio::detached
    );
  }
};

DemoBackends::DemoBackends() : impl_(std::make_unique<Impl>()) {}

DemoBackends::~DemoBackends() {
  impl_->io.stop();
  impl_->thread.join();
}

void DemoBackends::serve(const routing::Snapshot& snapshot) {
  for (const auto& pool : snapshot.pools) {
    for (const auto& address : pool->endpoints) {
      if (!address.is_v4() || address.ip[12] != 127) continue;
      asio::post(impl_->io, [impl = impl_.get(), address, name = pool->name] {
        impl->add(address, name);
      });
    }
  }
  // The proxy gets the snapshot next, and whoever tries the demo does so at once.
  asio::post(impl_->io, asio::use_future).wait();
}

}  // namespace cppx::app
