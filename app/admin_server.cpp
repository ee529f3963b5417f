#include "app/admin_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "app/await.h"
#include "base/error.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds kIdle{30};
constexpr std::size_t kMaxBody = 1024;

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_v4().is_loopback();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).is_loopback();
  return v6.is_loopback();
}

http::response<http::string_body> answer(
    const http::request<http::string_body>& request, bool from_here,
    const AdminServer::Handler& handler
) {
  http::response<http::string_body> response;
  response.version(request.version());
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.body() = "only GET and HEAD\n";
  } else {
    const std::string target(request.target());
    const auto path_end = std::min(target.find('?'), target.size());
    AdminReply reply = handler(
        {.path = target.substr(0, path_end),
         .query = target.substr(std::min(path_end + 1, target.size())),
         .from_here = from_here}
    );
    response.result(reply.status);
    response.set(http::field::content_type, reply.content_type);
    response.body() = std::move(reply.body);
  }
  response.keep_alive(request.keep_alive());
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();
  return response;
}

}  // namespace

struct AdminServer::Impl {
  Impl(asio::io_context& context, Handler answer_with)
      : io(context), acceptor(context), handler(std::move(answer_with)) {}

  static asio::awaitable<void> accept(std::shared_ptr<Impl> self);
  static asio::awaitable<void> session(std::shared_ptr<Impl> self, tcp::socket socket);

  asio::io_context& io;
  tcp::acceptor acceptor;
  Handler handler;
  /// Of clients whose first request has not been answered yet.
  std::size_t owed = 0;
};

asio::awaitable<void> AdminServer::Impl::session(std::shared_ptr<Impl> self, tcp::socket socket) {
  beast::error_code gone;
  const auto peer = socket.remote_endpoint(gone);
  const bool from_here = !gone && is_loopback(peer.address());
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  bool owes = true;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kMaxBody);
    stream.expires_after(kIdle);
    const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
    if (read_error) break;
    auto response = answer(parser.get(), from_here, self->handler);
    // Whoever asks again is to find the process that listens by then.
    if (!self->acceptor.is_open()) response.keep_alive(false);
    keep_alive = response.keep_alive();
    const auto [write_error, written] = co_await http::async_write(stream, response, kAwait);
    if (std::exchange(owes, false)) --self->owed;
    if (write_error) break;
  }
  if (owes) --self->owed;
  beast::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<void> AdminServer::Impl::accept(std::shared_ptr<Impl> self) {
  while (self->acceptor.is_open()) {
    auto [error, socket] = co_await self->acceptor.async_accept(kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors: give the others a moment.
      asio::steady_timer pause(self->io, std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    ++self->owed;
    asio::co_spawn(self->io, session(self, std::move(socket)), asio::detached);
  }
}

AdminServer::AdminServer(asio::io_context& io, Handler handler)
    : impl_(std::make_shared<Impl>(io, std::move(handler))) {}

AdminServer::~AdminServer() { stop(); }

Result<std::uint16_t> AdminServer::listen(const std::string& host, std::uint16_t port) {
  boost::system::error_code error;
  const auto fail = [&](const char* what) {
    return config_error(
        Errc::kIo, fmt::format(
                       "cannot listen on {} port {} (health): {}: {}",
                       host.empty() ? "all addresses" : host, port, what, error.message()
                   )
    );
  };
  auto address = host.empty() ? asio::ip::address(asio::ip::address_v6::any())
                              : asio::ip::make_address(host, error);
  if (error)
    return config_error(
        Errc::kInvalidArgument, fmt::format("--healthz-host={}: not an IP address", host)
    );
  tcp::acceptor& acceptor = impl_->acceptor;
  acceptor.open(address.is_v6() ? tcp::v6() : tcp::v4(), error);
  if (error && host.empty()) {
    address = asio::ip::address_v4::any();
    acceptor.open(tcp::v4(), error);
  }
  if (error) return fail("socket");
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (address.is_v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  acceptor.bind({address, port}, error);
  if (error) return fail("bind");
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail("listen");
  return acceptor.local_endpoint().port();
}

std::uint16_t AdminServer::adopt(Descriptor socket, const std::string& host, std::uint16_t port) {
  if (!socket.is_open()) return 0;
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&local), &size);
  boost::system::error_code error;
  tcp::acceptor adopted(impl_->io);
  adopted.assign(local.ss_family == AF_INET ? tcp::v4() : tcp::v6(), socket.release(), error);
  const auto endpoint = adopted.local_endpoint(error);
  const bool any = endpoint.address().is_unspecified();
  const bool fits = host.empty() ? any : endpoint.address() == asio::ip::make_address(host, error);
  if (error || !fits || (port != 0 && endpoint.port() != port)) return 0;
  impl_->acceptor = std::move(adopted);
  return endpoint.port();
}

std::size_t AdminServer::owed() const noexcept { return impl_->owed; }

void AdminServer::start() { asio::co_spawn(impl_->io, Impl::accept(impl_), asio::detached); }

int AdminServer::native_handle() noexcept {
  return impl_->acceptor.is_open() ? impl_->acceptor.native_handle() : -1;
}

void AdminServer::stop() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}

}  // namespace cppx::app
