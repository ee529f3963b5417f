#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/error.h"
#include "routing/client/client_address.h"

namespace cppx::proxy {

class Worker;

/// What is listened on, the same for every worker.
struct ListenerConfig {
  std::string name;  ///< Of the table in the snapshot ("http", "https").
  bool tls = false;
  std::string bind_address;          ///< IP literal; empty: all addresses, IPv6 and IPv4.
  std::uint16_t port = 0;            ///< 0: the kernel chooses.
  std::uint16_t forwarded_port = 0;  ///< X-Forwarded-Port; 0: the port listened on.
};

struct ListenerSocket {
  int socket = -1;
  std::uint16_t port = 0;
  ListenerConfig config;
};

/// Opens a listening socket with SO_REUSEPORT, so that each worker has its own. `first`: also
/// checks that no other program listens there. Errors name address, port and reason.
Result<ListenerSocket> open_listener(const ListenerConfig& config, bool first);

using routing::ClientAddress;

/// Of IPv4 or IPv6.
ClientAddress address_of(const sockaddr_storage& from) noexcept;

/// One worker's listening socket; hands accepted sockets to the worker.
class Listener {
 public:
  Listener(Worker& worker, boost::asio::io_context& io, ListenerSocket socket);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  /// Takes what has been queued, then closes.
  void stop();
  /// Closes; what is queued is for those who share the socket.
  void leave();
  /// The worker has room again; nothing if it did not lack any here.
  void resume();

  /// With the port that it got.
  [[nodiscard]] const ListenerConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::string_view forwarded_port() const noexcept { return forwarded_port_; }

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<
      boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
      boost::asio::io_context::executor_type>;

  void wait();
  enum class Queue : std::uint8_t {
    kEmpty,      ///< Or others should have their turn.
    kNoRoom,     ///< The worker has all the connections it may have.
    kExhausted,  ///< The process is out of descriptors or memory.
  };
  Queue accept_queued();

  Worker& worker_;
  ListenerConfig config_;
  std::string forwarded_port_;
  Acceptor acceptor_;
  Timer pause_;
  bool without_room_ = false;
};

}  // namespace cppx::proxy
