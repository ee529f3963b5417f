#include "controller/admission/webhook_server.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "controller/admission/admission_review.h"
#include "controller/admission/review.h"
#include "controller/admission/review_queue.h"
#include "controller/kube/task.h"
#include "controller/model/objects.h"
#include "tls/certificate.h"
#include "tls/self_signed.h"

namespace cppx::controller {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using Plain = beast::basic_stream<tcp, Executor>;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint32_t kHeadBytes = 16 * 1024;
constexpr std::chrono::milliseconds kPause{100};

Response reply(http::status status, std::string body, std::string_view type = "text/plain") {
  Response out(status, 11);
  out.set(http::field::content_type, type);
  out.body() = std::move(body);
  return out;
}

Task<Response> answer(const Request& request, ReviewQueue& reviews) {
  // API servers append their time limit as a query.
  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view path = target.substr(0, target.find('?'));
  if (path != "/networking/v1/ingresses" && path != "/")
    co_return reply(http::status::not_found, "known here: /networking/v1/ingresses\n");
  if (request.method() != http::verb::post)
    co_return reply(http::status::method_not_allowed, "only POST\n");
  auto asked = parse_admission_request(request.body());
  if (!asked) co_return reply(http::status::bad_request, asked.error().detail + "\n");
  AdmissionVerdict verdict;
  std::optional<Ingress>& ingress = asked->ingress;
  if (!asked->unreadable.empty()) {
    verdict = {.allowed = false, .message = "Ingress: " + asked->unreadable, .warnings = {}};
  } else if (ingress) {
    const std::string name = ingress->meta.key.to_string();
    auto found = co_await reviews.ask(std::move(*ingress));
    if (!found) co_return reply(http::status::service_unavailable, "not ready\n");
    verdict = std::move(*found);
    if (!verdict.allowed) log::info("admission of Ingress {} denied: {}", name, verdict.message);
  }
  co_return reply(http::status::ok, admission_answer(asked->uid, verdict), "application/json");
}

struct HostPort {
  asio::ip::address address;
  std::uint16_t port = 0;
};

Result<HostPort> parse_address(const std::string& text) {
  const auto wrong = [&] {
    return config_error(
        Errc::kInvalidArgument,
        fmt::format("--validating-webhook={}: not of the form address:port or :port", text)
    );
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  const auto port = parse_int<std::uint16_t>(std::string_view(text).substr(colon + 1));
  std::string_view host = std::string_view(text).substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!port) return wrong();
  if (host.empty()) return HostPort{.address = asio::ip::address_v6::any(), .port = *port};
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(host), error);
  if (error) return wrong();
  return HostPort{.address = address, .port = *port};
}

}  // namespace

/// One connection; known to the server while it lasts.
class WebhookServer::Session {
 public:
  Session(WebhookServer& server, asio::basic_stream_socket<tcp, Executor> socket)
      : stream(Plain(std::move(socket)), *server.tls_), tls(server.tls_), server_(server) {
    place_ = server_.sessions_.insert(server_.sessions_.end(), this);
  }
  ~Session() { server_.sessions_.erase(place_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void touch() { server_.sessions_.splice(server_.sessions_.end(), server_.sessions_, place_); }
  Plain& lowest() { return stream.next_layer(); }

  asio::ssl::stream<Plain> stream;
  std::shared_ptr<asio::ssl::context> tls;
  bool busy = false;  ///< Has a whole request, and owes an answer.

 private:
  WebhookServer& server_;
  std::list<Session*>::iterator place_;
};

WebhookServer::WebhookServer(Executor executor, ReviewFunction review, WebhookLimits limits)
    : executor_(executor),
      limits_(limits),
      reviews_(executor, std::move(review), limits.review),
      acceptor_(executor),
      tasks_(executor) {}

Result<std::uint16_t> WebhookServer::listen(const std::string& address) {
  const auto at = parse_address(address);
  if (!at) return at.error();
  boost::system::error_code error;
  const auto fail = [&] {
    return config_error(
        Errc::kIo,
        fmt::format("--validating-webhook={}: cannot listen: {}", address, error.message())
    );
  };
  tcp::endpoint place(at->address, at->port);
  acceptor_.open(place.protocol(), error);
  if (error && at->address.is_unspecified()) {
    place = {tcp::v4(), at->port};
    acceptor_.open(place.protocol(), error);
  }
  if (error) return fail();
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  // A successor of this process listens at the same place before this one ends.
  acceptor_.set_option(asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true), error);
  if (place.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
  acceptor_.bind(place, error);
  if (error) return fail();
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail();
  return acceptor_.local_endpoint().port();
}

Result<void> WebhookServer::set_certificate(const tls::PemPair& pair) {
  // Says in words what is wrong with it, which OpenSSL below does not.
  const auto checked = tls::Certificate::from_pem(pair.certificate, pair.key);
  if (!checked) return checked.error();
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  context->use_certificate_chain(asio::buffer(pair.certificate), error);
  if (!error) context->use_private_key(asio::buffer(pair.key), asio::ssl::context::pem, error);
  if (error) return config_error(Errc::kTls, error.message());
  tls_ = std::move(context);
  return {};
}

void WebhookServer::start() { tasks_.spawn(accept()); }

void WebhookServer::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  tasks_.cancel();
  for (Session* session : sessions_) session->lowest().close();
}

void WebhookServer::make_room() {
  if (sessions_.size() < limits_.connections) return;
  const auto it = std::ranges::find_if(sessions_, [](const Session* one) { return !one->busy; });
  if (it != sessions_.end()) (*it)->lowest().close();
}

Task<void> WebhookServer::accept() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(executor_, kAsTuple);
    if (error == asio::error::operation_aborted) co_return;
    // All of them owe answers, which takes a moment; or the process has no descriptor left.
    if (error || sessions_.size() >= 2 * limits_.connections) {
      Timer pause(executor_, kPause);
      const auto waited = co_await pause.async_wait(kAsTuple);
      static_cast<void>(waited);
      continue;
    }
    if (tls_ == nullptr) continue;
    make_room();
    tasks_.spawn(serve(std::make_shared<Session>(*this, std::move(socket))));
  }
}

Task<void> WebhookServer::serve(std::shared_ptr<Session> session) {
  session->lowest().expires_after(limits_.handshake);
  const auto [failed] =
      co_await session->stream.async_handshake(asio::ssl::stream_base::server, kAsTuple);
  if (failed) co_return;
  beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytes);
    parser.body_limit(limits_.body_bytes);
    session->lowest().expires_after(limits_.request);
    const auto [read_error, read] =
        co_await http::async_read(session->stream, buffer, parser, kAsTuple);
    Response response;
    if (read_error == http::error::body_limit) {
      response = reply(http::status::payload_too_large, "the body is too large\n");
    } else if (read_error) {
      co_return;
    } else {
      session->busy = true;
      keep_alive = parser.get().keep_alive();
      response = co_await answer(parser.get(), reviews_);
    }
    keep_alive = keep_alive && !read_error;
    response.keep_alive(keep_alive);
    response.prepare_payload();
    session->lowest().expires_after(limits_.handshake);
    const auto [write_error, written] =
        co_await http::async_write(session->stream, response, kAsTuple);
    session->busy = false;
    session->touch();
    if (write_error) co_return;
  }
  const auto [ended] = co_await session->stream.async_shutdown(kAsTuple);
  static_cast<void>(ended);
}

}  // namespace cppx::controller
