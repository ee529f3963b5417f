#pragma once

// A server that plays all pods of a test cluster at once: it listens on any address, and the
// address that a client connected to says which pod it talks to.
//
// PodServer accepts → Session (one per connection, keep-alive) → answer_of_pod.
// Requests to a loopback address are no pod's: they control the server itself.

#include <list>
#include <set>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/cluster/pod_server/answer.h"

namespace cppx::pod_server {

/// All pods of the cluster. Used on the io_context's only thread.
class PodServer {
 public:
  explicit PodServer(boost::asio::io_context& context) : context_(context) {}

  /// Serves on any address at `port` until stop(). Throws boost::system::system_error when the port
  /// cannot be had.
  void listen(unsigned short port);

  /// Closes the listeners and idle connections; connections with a request close once it is
  /// answered. The io_context runs out of work then.
  void stop();

 private:
  using Tcp = boost::asio::ip::tcp;

  struct Session {
    Tcp::socket socket;
    Tcp::endpoint local;
    Tcp::endpoint peer;
    bool idle = true;
  };
  using Sessions = std::list<Session>;

  boost::asio::awaitable<void> accept(Tcp::acceptor& acceptor);
  boost::asio::awaitable<void> serve(Sessions::iterator session);
  boost::asio::awaitable<void> exchange(Session& session);
  /// The answer to a control request: PUT /gone/ADDRESS makes a pod refuse connections and end
  /// those it has, PUT /back/ADDRESS undoes that.
  Response control(const Request& request);
  bool gone(const Session& session) const;
  void close_idle();

  boost::asio::io_context& context_;
  std::list<Tcp::acceptor> acceptors_;
  Sessions sessions_;
  std::set<boost::asio::ip::address> gone_;
  bool stopping_ = false;
};

}  // namespace cppx::pod_server
