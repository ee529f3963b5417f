#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "controller/kube/task.h"
#include "controller/kube/task_group.h"

namespace cppx::controller::test {

struct FakeRequest {
  std::string method;
  std::string target;
  std::string body;
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  unsigned connection = 0;                     ///< Number of the connection, from 1.
};

/// What the server does about a request.
struct FakeReply {
  enum class End : std::uint8_t {
    kKeepAlive,
    kClose,   ///< Closes once everything is written.
    kHold,    ///< Leaves the chunked response open: a watch.
    kReset,   ///< Breaks the connection after what is written.
    kSilent,  ///< Writes nothing, ever.
  };
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  End end = End::kKeepAlive;
  bool chunked = false;  ///< Always with kHold.
};

/// An HTTP/1.1 server on 127.0.0.1 whose answers are a function, on the io_context of the test.
class FakeApiServer {
 public:
  using Handler = std::function<FakeReply(const FakeRequest&)>;
  class Session;

  FakeApiServer(boost::asio::io_context& io, Handler handler);
  /// With TLS.
  FakeApiServer(
      boost::asio::io_context& io, Handler handler, std::shared_ptr<boost::asio::ssl::context> tls
  );
  ~FakeApiServer();
  FakeApiServer(const FakeApiServer&) = delete;
  FakeApiServer& operator=(const FakeApiServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const;

  /// Stops listening and breaks all connections; start() listens on the same port again.
  void stop();
  void start();
  /// Breaks all connections, or ends the responses that are held in the regular way.
  void break_connections();
  void end_held();
  /// Writes to all held responses whose target contains `part`.
  void push(const std::string& part, const std::string& bytes);
  [[nodiscard]] std::size_t held(const std::string& part) const;

  std::vector<FakeRequest> requests;
  unsigned connections = 0;

 private:
  Task<void> accept(std::shared_ptr<boost::asio::ip::tcp::acceptor> acceptor);

  boost::asio::io_context& io_;
  Handler handler_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  std::uint16_t port_ = 0;
  std::shared_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::list<std::weak_ptr<Session>> sessions_;
};

}  // namespace cppx::controller::test
