#include "tests/cluster/pod_server/pod_server.h"

#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>

namespace cppx::pod_server {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// Ends a connection such that the peer reads everything that was sent before.
void close_gently(asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

void close_with_reset(asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

Response plain(const Request& request, http::status status, std::string text) {
  Response response(status, request.version());
  response.set(http::field::content_type, "text/plain");
  response.keep_alive(request.keep_alive());
  response.body() = std::move(text) + "\n";
  response.prepare_payload();
  return response;
}

}  // namespace

void PodServer::listen(unsigned short port) {
  auto& acceptor = acceptors_.emplace_back(context_);
  const Tcp::endpoint any(Tcp::v4(), port);
  acceptor.open(any.protocol());
  acceptor.set_option(asio::socket_base::reuse_address(true));
  acceptor.bind(any);
  acceptor.listen(4096);
  asio::co_spawn(context_, accept(acceptor), asio::detached);
}

void PodServer::stop() {
  stopping_ = true;
  boost::system::error_code ignored;
  for (auto& acceptor : acceptors_) acceptor.close(ignored);
  close_idle();
}

asio::awaitable<void> PodServer::accept(Tcp::acceptor& acceptor) {
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) continue;
    boost::system::error_code broken;
    socket.set_option(Tcp::no_delay(true), broken);
    const auto local = socket.local_endpoint(broken);
    const auto peer = broken ? Tcp::endpoint() : socket.remote_endpoint(broken);
    if (broken) continue;
    sessions_.push_front({std::move(socket), local, peer});
    if (gone(sessions_.front())) {
      close_with_reset(sessions_.front().socket);
      sessions_.pop_front();
      continue;
    }
    asio::co_spawn(context_, serve(sessions_.begin()), asio::detached);
  }
}

asio::awaitable<void> PodServer::serve(Sessions::iterator session) {
  co_await exchange(*session);
  close_gently(session->socket);
  sessions_.erase(session);
}

asio::awaitable<void> PodServer::exchange(Session& session) {
  boost::beast::flat_buffer buffer;
  for (;;) {
    Request request;
    session.idle = true;
    const auto [read_error, head_bytes] =
        co_await http::async_read(session.socket, buffer, request, kTuple);
    if (read_error) co_return;
    session.idle = false;
    if (const auto delay = delay_of(request); delay.count() > 0) {
      asio::steady_timer timer(context_, delay);
      co_await timer.async_wait(kTuple);
    }
    auto response = session.local.address().is_loopback()
                        ? control(request)
                        : answer_of_pod(request, session.local, session.peer);
    if (stopping_ || gone(session)) response.keep_alive(false);
    const auto [write_error, sent_bytes] =
        co_await http::async_write(session.socket, response, kTuple);
    if (write_error || !response.keep_alive()) co_return;
  }
}

Response PodServer::control(const Request& request) {
  const std::string_view target(request.target().data(), request.target().size());
  constexpr std::string_view kGone = "/gone/";
  constexpr std::string_view kBack = "/back/";
  if (!target.starts_with(kGone) && !target.starts_with(kBack))
    return plain(request, http::status::not_found, "PUT /gone/ADDRESS or PUT /back/ADDRESS");
  boost::system::error_code malformed;
  const auto address = asio::ip::make_address(target.substr(kGone.size()), malformed);
  if (malformed) return plain(request, http::status::bad_request, "not an address");
  if (target.starts_with(kGone)) {
    gone_.insert(address);
    close_idle();
  } else {
    gone_.erase(address);
  }
  return plain(request, http::status::ok, "done");
}

bool PodServer::gone(const Session& session) const {
  return gone_.contains(session.local.address());
}

void PodServer::close_idle() {
  boost::system::error_code ignored;
  for (auto& session : sessions_) {
    if (session.idle && (stopping_ || gone(session)))
      session.socket.shutdown(Tcp::socket::shutdown_both, ignored);
  }
}

}  // namespace cppx::pod_server
