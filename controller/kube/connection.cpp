#include "controller/kube/connection.h"

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

namespace cppx::controller {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using KeepIdle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
using KeepInterval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
using KeepCount = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;

Error error_of(const error_code& code, std::string_view doing) {
  Errc errc = Errc::kIo;
  if (code == asio::error::operation_aborted)
    errc = Errc::kCancelled;
  else if (code == beast::error::timeout)
    errc = Errc::kTimeout;
  else if (code == asio::error::eof || code == http::error::end_of_stream ||
           code == http::error::partial_message || code == asio::ssl::error::stream_truncated ||
           code == asio::error::connection_reset || code == asio::error::broken_pipe)
    errc = Errc::kClosed;
  else if (code == asio::error::connection_refused)
    errc = Errc::kUnavailable;
  else if (code.category() == asio::error::get_ssl_category())
    errc = Errc::kTls;
  else if (code.category() == http::make_error_code(http::error::bad_version).category())
    errc = Errc::kProtocol;
  const std::string text = errc == Errc::kTimeout  ? "timed out"
                           : errc == Errc::kClosed ? "the server closed the connection"
                                                   : code.message();
  return Error{
      errc, ErrorSource::kUpstream, errc != Errc::kCancelled, fmt::format("{}: {}", doing, text)
  };
}

/// For each address of a server, if there is that much: too little for a far one is of no use.
constexpr std::chrono::seconds kLeastShare{1};

/// A peer that went away without a word is noticed within half a minute, also by a quiet watch.
template <class Socket>
void notice_dead_peers(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(KeepIdle(15), ignored);
  socket.set_option(KeepInterval(5), ignored);
  socket.set_option(KeepCount(3), ignored);
  socket.set_option(UserTimeout(30'000), ignored);
}

}  // namespace

Connection::Connection(Executor executor, ConnectionTarget target) : target_(std::move(target)) {
  if (target_.tls)
    tls_.emplace(executor, *target_.tls);
  else
    plain_.emplace(executor);
}

Task<Result<std::unique_ptr<Connection>>> Connection::open(
    Executor executor, ConnectionTarget target, Deadline connect_deadline, Deadline tls_deadline
) {
  std::unique_ptr<Connection> connection(new Connection(executor, std::move(target)));
  const auto connected = co_await connection->connect(connect_deadline);
  if (!connected) co_return connected.error();
  if (connection->tls_) {
    const auto secured = co_await connection->handshake(tls_deadline);
    if (!secured) co_return secured.error();
  }
  co_return connection;
}

Task<Result<void>> Connection::connect(Deadline deadline) {
  Plain& stream = lowest();
  error_code error = asio::error::not_found;
  auto left = std::ssize(target_.endpoints);
  for (const auto& endpoint : target_.endpoints) {
    const auto now = Deadline::clock::now();
    // One that swallows packets leaves the others their share.
    const auto share = std::max<Deadline::duration>((deadline - now) / left--, kLeastShare);
    stream.close();
    stream.expires_at(std::min(deadline, now + share));
    std::tie(error) = co_await stream.async_connect(endpoint, kAsTuple);
    if (!error) {
      notice_dead_peers(stream.socket());
      co_return Result<void>{};
    }
    if (error == asio::error::operation_aborted || Deadline::clock::now() >= deadline) break;
  }
  std::string where;
  for (const auto& candidate : target_.endpoints)
    where += fmt::format("{}{}", where.empty() ? "" : ", ", fmt::streamed(candidate));
  co_return error_of(error, "connect to " + where);
}

Result<void> Connection::prepare_tls() {
  SSL* ssl = tls_->native_handle();
  error_code not_an_address;
  asio::ip::make_address(target_.server_name, not_an_address);
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  int ok = 1;
  if (not_an_address) {
    ok = SSL_set_tlsext_host_name(ssl, target_.server_name.c_str()) == 1 &&
         X509_VERIFY_PARAM_set1_host(parameters, target_.server_name.c_str(), 0) == 1;
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  } else {
    ok = X509_VERIFY_PARAM_set1_ip_asc(parameters, target_.server_name.c_str());
  }
  if (ok == 1) return {};
  return Error{
      Errc::kTls, ErrorSource::kConfig, false,
      fmt::format("\"{}\" cannot be used as a TLS server name", target_.server_name)
  };
}

Task<Result<void>> Connection::handshake(Deadline deadline) {
  if (auto prepared = prepare_tls(); !prepared) co_return prepared.error();
  lowest().expires_at(deadline);
  auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kAsTuple);
  if (!error) co_return Result<void>{};
  const std::string doing = "TLS handshake with " + target_.server_name;
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  if (verdict != X509_V_OK && error.category() == asio::error::get_ssl_category())
    co_return Error{
        Errc::kTls, ErrorSource::kUpstream, true,
        fmt::format("{}: certificate: {}", doing, X509_verify_cert_error_string(verdict))
    };
  co_return error_of(error, doing);
}

Task<Result<void>> Connection::write(Request& request, Deadline deadline) {
  lowest().expires_at(deadline);
  error_code error;
  std::size_t bytes = 0;
  if (tls_)
    std::tie(error, bytes) = co_await http::async_write(*tls_, request, kAsTuple);
  else
    std::tie(error, bytes) = co_await http::async_write(*plain_, request, kAsTuple);
  if (error) co_return error_of(error, "send request");
  co_return Result<void>{};
}

Task<Result<void>> Connection::read_head(Parser& parser, Deadline deadline) {
  lowest().expires_at(deadline);
  error_code error;
  std::size_t bytes = 0;
  if (tls_)
    std::tie(error, bytes) = co_await http::async_read_header(*tls_, buffer_, parser, kAsTuple);
  else
    std::tie(error, bytes) = co_await http::async_read_header(*plain_, buffer_, parser, kAsTuple);
  if (error) co_return error_of(error, "read response");
  co_return Result<void>{};
}

Task<Result<std::size_t>> Connection::read_body(
    Parser& parser, std::span<char> into, Deadline deadline
) {
  lowest().expires_at(deadline);
  auto& body = parser.get().body();
  body.data = into.data();
  body.size = into.size();
  error_code error;
  // A turn may take in framing alone (a chunk head), without any byte of the body.
  while (!parser.is_done() && body.size == into.size() && !error) {
    std::size_t bytes = 0;
    if (tls_)
      std::tie(error, bytes) = co_await http::async_read_some(*tls_, buffer_, parser, kAsTuple);
    else
      std::tie(error, bytes) = co_await http::async_read_some(*plain_, buffer_, parser, kAsTuple);
    if (error == http::error::need_buffer) error = {};
  }
  const std::size_t received = into.size() - body.size;
  if (error && received == 0) co_return error_of(error, "read response body");
  co_return received;
}

void Connection::close() noexcept { lowest().close(); }

}  // namespace cppx::controller
