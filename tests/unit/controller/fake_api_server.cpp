#include "tests/unit/controller/fake_api_server.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/text.h"

namespace cppx::controller::test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<tcp, Executor>;

/// One connection. Its coroutine keeps it alive.
class FakeApiServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(FakeApiServer& server, Socket socket, unsigned number)
      : server_(&server), number_(number) {
    if (server.tls_)
      secured_.emplace(std::move(socket), *server.tls_);
    else
      plain_.emplace(std::move(socket));
  }

  static Task<void> run(std::shared_ptr<Session> self) {
    if (self->secured_) {
      auto [error] =
          co_await self->secured_->async_handshake(asio::ssl::stream_base::server, kAsTuple);
      if (!error) co_await self->serve(*self->secured_);
    } else {
      co_await self->serve(*self->plain_);
    }
    self->reset();
  }

  void forget_server() { server_ = nullptr; }

  void reset() {
    error_code ignored;
    Socket& socket = lowest();
    if (socket.is_open()) socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
  }

  [[nodiscard]] bool holds(const std::string& part) {
    return holding_ && lowest().is_open() && target_.find(part) != std::string::npos;
  }
  void push(const std::string& bytes) { queue(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes)); }
  void end_held() {
    if (!holding_) return;
    holding_ = false;
    closing_ = true;
    queue("0\r\n\r\n");
  }

 private:
  Socket& lowest() { return secured_ ? secured_->next_layer() : *plain_; }

  void queue(const std::string& bytes) {
    outgoing_ += bytes;
    if (writing_) return;
    writing_ = true;
    asio::co_spawn(lowest().get_executor(), flush(shared_from_this()), asio::detached);
  }

  static Task<void> flush(std::shared_ptr<Session> self) {
    while (!self->outgoing_.empty()) {
      const std::string bytes = std::exchange(self->outgoing_, {});
      error_code error;
      std::size_t count = 0;
      if (self->secured_)
        std::tie(error, count) =
            co_await asio::async_write(*self->secured_, asio::buffer(bytes), kAsTuple);
      else
        std::tie(error, count) =
            co_await asio::async_write(*self->plain_, asio::buffer(bytes), kAsTuple);
      if (error) break;
    }
    self->writing_ = false;
    error_code ignored;
    if (self->closing_) self->lowest().shutdown(tcp::socket::shutdown_send, ignored);
    if (self->resetting_) self->reset();
  }

  template <class Stream>
  Task<void> serve(Stream& stream) {
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request<http::string_body> message;
      auto [error, count] = co_await http::async_read(stream, buffer, message, kAsTuple);
      if (error || server_ == nullptr) co_return;
      FakeRequest request;
      request.method = std::string(message.method_string());
      request.target = target_ = std::string(message.target());
      request.body = message.body();
      request.connection = number_;
      for (const auto& field : message)
        request.headers[to_lower(std::string(field.name_string()))] = std::string(field.value());
      server_->requests.push_back(request);
      answer(server_->handler_(request));
    }
  }

  void answer(const FakeReply& reply) {
    if (reply.end == FakeReply::End::kSilent) return;
    const bool hold = reply.end == FakeReply::End::kHold;
    std::string head = fmt::format("HTTP/1.1 {} Status\r\n", reply.status);
    for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
    if (hold || reply.chunked) {
      head += "Transfer-Encoding: chunked\r\n\r\n";
      if (!reply.body.empty()) head += fmt::format("{:x}\r\n{}\r\n", reply.body.size(), reply.body);
      if (!hold && reply.end != FakeReply::End::kReset) head += "0\r\n\r\n";
    } else {
      head += fmt::format("Content-Length: {}\r\n\r\n{}", reply.body.size(), reply.body);
    }
    holding_ = hold;
    closing_ = reply.end == FakeReply::End::kClose;
    resetting_ = reply.end == FakeReply::End::kReset;
    queue(head);
  }

  FakeApiServer* server_;
  unsigned number_;
  std::optional<Socket> plain_;
  std::optional<asio::ssl::stream<Socket>> secured_;
  std::string target_;
  std::string outgoing_;
  bool writing_ = false;
  bool holding_ = false;
  bool closing_ = false;
  bool resetting_ = false;
};

FakeApiServer::FakeApiServer(asio::io_context& io, Handler handler)
    : FakeApiServer(io, std::move(handler), nullptr) {}

FakeApiServer::FakeApiServer(
    asio::io_context& io, Handler handler, std::shared_ptr<asio::ssl::context> tls
)
    : io_(io), handler_(std::move(handler)), tls_(std::move(tls)) {
  start();
}

FakeApiServer::~FakeApiServer() { stop(); }

std::string FakeApiServer::url() const {
  return fmt::format("{}://127.0.0.1:{}", tls_ ? "https" : "http", port_);
}

void FakeApiServer::start() {
  acceptor_ =
      std::make_shared<tcp::acceptor>(io_, tcp::endpoint(asio::ip::address_v4::loopback(), port_));
  port_ = acceptor_->local_endpoint().port();
  asio::co_spawn(io_.get_executor(), accept(acceptor_), asio::detached);
}

void FakeApiServer::stop() {
  if (acceptor_) acceptor_->close();
  acceptor_.reset();
  for (const auto& weak : sessions_) {
    const auto session = weak.lock();
    if (!session) continue;
    session->forget_server();
    session->reset();
  }
  sessions_.clear();
}

void FakeApiServer::break_connections() {
  for (const auto& weak : sessions_)
    if (const auto session = weak.lock()) session->reset();
}

void FakeApiServer::end_held() {
  for (const auto& weak : sessions_)
    if (const auto session = weak.lock()) session->end_held();
}

void FakeApiServer::push(const std::string& part, const std::string& bytes) {
  for (const auto& weak : sessions_)
    if (const auto session = weak.lock(); session && session->holds(part)) session->push(bytes);
}

std::size_t FakeApiServer::held(const std::string& part) const {
  std::size_t count = 0;
  for (const auto& weak : sessions_)
    if (const auto session = weak.lock(); session && session->holds(part)) ++count;
  return count;
}

Task<void> FakeApiServer::accept(std::shared_ptr<tcp::acceptor> acceptor) {
  for (;;) {
    Socket socket(io_.get_executor());
    auto [error] = co_await acceptor->async_accept(socket, kAsTuple);
    // Closed: the server may be gone.
    if (error) co_return;
    const auto session = std::make_shared<Session>(*this, std::move(socket), ++connections);
    std::erase_if(sessions_, [](const auto& weak) { return weak.expired(); });
    sessions_.push_back(session);
    asio::co_spawn(io_.get_executor(), Session::run(session), asio::detached);
  }
}

}  // namespace cppx::controller::test
