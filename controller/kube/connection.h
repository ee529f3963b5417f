#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/error.h"
#include "controller/kube/task.h"

namespace cppx::controller {

/// Where a Connection goes to. With `tls`, the server must show a certificate for `server_name`
/// (a name or an IP literal) unless the context does not verify.
struct ConnectionTarget {
  /// Tried in order, each for its share of the time.
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;
  std::shared_ptr<boost::asio::ssl::context> tls;  ///< Null: plain.
  std::string server_name;
};

/// One HTTP/1.1 client connection, plain or TLS. Every call has a deadline, after which the
/// connection is closed. Errors are kTimeout, kClosed, kIo, kTls, kProtocol, kCancelled.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  static Task<Result<std::unique_ptr<Connection>>> open(
      Executor executor, ConnectionTarget target, Deadline connect_deadline, Deadline tls_deadline
  );

  Task<Result<void>> write(Request& request, Deadline deadline);
  Task<Result<void>> read_head(Parser& parser, Deadline deadline);
  /// Some bytes of the body into `into`; 0 at its end.
  Task<Result<std::size_t>> read_body(Parser& parser, std::span<char> into, Deadline deadline);
  void close() noexcept;

  /// For the pool: when it was last in use.
  std::chrono::steady_clock::time_point idle_since;

 private:
  using Plain = boost::beast::basic_stream<boost::asio::ip::tcp, Executor>;
  using Tls = boost::asio::ssl::stream<Plain>;

  Connection(Executor executor, ConnectionTarget target);
  Task<Result<void>> connect(Deadline deadline);
  Task<Result<void>> handshake(Deadline deadline);
  Result<void> prepare_tls();
  Plain& lowest() noexcept { return tls_ ? tls_->next_layer() : *plain_; }

  ConnectionTarget target_;
  std::optional<Plain> plain_;
  std::optional<Tls> tls_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace cppx::controller
