#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/descriptor.h"
#include "base/error.h"

namespace cppx::app {

struct AdminReply {
  unsigned status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

struct AdminRequest {
  std::string path;        ///< "/readyz"
  std::string query;       ///< Without '?'; empty: none.
  bool from_here = false;  ///< The peer's address is a loopback one: this machine or pod.
};

/// Health, readiness, metrics and what explains routes, over HTTP, apart from the ports that carry
/// traffic. Few connections at once, of which the one that has been silent for longest makes room
/// for a new one. Lives on the main loop.
class AdminServer {
 public:
  /// Called on the main loop.
  using Handler = std::function<AdminReply(const AdminRequest& request)>;

  AdminServer(boost::asio::io_context& io, Handler handler);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Returns the port listened on. Errors: port in use, bad address.
  Result<std::uint16_t> listen(const std::string& host, std::uint16_t port);
  /// The listening socket of the process before this one, if it is at this address (port 0: any).
  /// Returns its port, or 0.
  std::uint16_t adopt(Descriptor socket, const std::string& host, std::uint16_t port);
  /// Answers from now on.
  void start();
  /// Accepts nobody any more. Who is here already gets an answer while the loop runs.
  void stop();
  /// Connections accepted whose first request has not been answered yet.
  [[nodiscard]] std::size_t owed() const noexcept;
  /// Of the listening socket; -1 without one.
  [[nodiscard]] int native_handle() noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace cppx::app
