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
#include <boost/intrusive/list.hpp>

#include "app/await.h"
#include "base/error.h"

namespace cppx::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace intrusive = boost::intrusive;
using asio::ip::tcp;

/// To a whole request, the first one or the next: who asks less often connects anew.
constexpr std::chrono::seconds kRequestPatience{5};
constexpr std::chrono::seconds kAnswerPatience{30};
/// Anybody may connect, and descriptors are what traffic lives on.
constexpr std::size_t kMostSessions = 64;
constexpr std::size_t kMaxBody = 1024;

/// One connection, in the list of its server until that needs the place.
struct AdminSession : intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>> {
  explicit AdminSession(tcp::socket socket) : stream(std::move(socket)) {}

  beast::tcp_stream stream;
  bool owes = true;  ///< The answer to the first request.
};

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
  static asio::awaitable<void> serve(
      std::shared_ptr<Impl> self, std::unique_ptr<AdminSession> session
  );
  void add(AdminSession& session);

  asio::io_context& io;
  tcp::acceptor acceptor;
  Handler handler;
  /// The one that has been silent for longest first.
  intrusive::list<AdminSession, intrusive::constant_time_size<false>> sessions;
};

void AdminServer::Impl::add(AdminSession& session) {
  if (sessions.size() >= kMostSessions) {
    sessions.front().stream.close();
    sessions.pop_front();
  }
  sessions.push_back(session);
}

asio::awaitable<void> AdminServer::Impl::serve(
    std::shared_ptr<Impl> self, std::unique_ptr<AdminSession> session
) {
  beast::tcp_stream& stream = session->stream;
  beast::error_code gone;
  const auto peer = stream.socket().remote_endpoint(gone);
  const bool from_here = !gone && is_loopback(peer.address());
  beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kMaxBody);
    stream.expires_after(kRequestPatience);
    const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
    // Its place may have been needed just when the request came.
    if (read_error || !session->is_linked()) break;
    session->unlink();
    self->sessions.push_back(*session);
    auto response = answer(parser.get(), from_here, self->handler);
    // Whoever asks again is to find the process that listens by then.
    if (!self->acceptor.is_open()) response.keep_alive(false);
    keep_alive = response.keep_alive();
    stream.expires_after(kAnswerPatience);
    const auto [write_error, written] = co_await http::async_write(stream, response, kAwait);
    session->owes = false;
    if (write_error) break;
  }
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
    auto session = std::make_unique<AdminSession>(std::move(socket));
    self->add(*session);
    asio::co_spawn(self->io, serve(self, std::move(session)), asio::detached);
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

std::size_t AdminServer::owed() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(impl_->sessions, &AdminSession::owes));
}

void AdminServer::start() { asio::co_spawn(impl_->io, Impl::accept(impl_), asio::detached); }

int AdminServer::native_handle() noexcept {
  return impl_->acceptor.is_open() ? impl_->acceptor.native_handle() : -1;
}

void AdminServer::stop() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}

}  // namespace cppx::app
