#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"
#include "proxy/transport/event_loop.h"
#include "proxy/worker/timer_wheel.h"
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
  /// Otherwise it is bound only, and nobody is sent to it.
  bool listening = true;
  std::uint16_t port = 0;
  ListenerConfig config;
};

/// Which socket of an address is opened.
enum class ListenerPlace : std::uint8_t {
  kFirst,              ///< No other program may listen there.
  kBesideOwn,          ///< One of ours does.
  kBesidePredecessor,  ///< It is to listen when it is served: until then the process before does.
};

/// Opens a listening socket with SO_REUSEPORT, so that each worker has its own. Errors name
/// address, port and reason.
Result<ListenerSocket> open_listener(const ListenerConfig& config, ListenerPlace place);

using routing::ClientAddress;

/// Of IPv4 or IPv6.
ClientAddress address_of(const sockaddr_storage& from) noexcept;

/// One worker's listening socket; hands accepted sockets to the worker.
class Listener final : private EventLoop::Readable {
 public:
  Listener(Worker& worker, EventLoop& loop, TimerWheel& wheel, ListenerSocket socket);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  /// From now on connections are taken.
  void start();
  /// Takes what has been queued, as far as there is room or the worker drains, then closes.
  void stop();
  /// Closes; what is queued is for those who share the socket, if there are any.
  void leave();
  /// The worker has room again; nothing if it did not lack any here.
  void resume();

  /// With the port that it got.
  [[nodiscard]] const ListenerConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::string_view forwarded_port() const noexcept { return forwarded_port_; }

 private:
  struct Pause final : Deadline {
    Pause(TimerWheel& wheel, Listener& owner) noexcept : Deadline(wheel), listener(owner) {}
    void expired() override { listener.watch(); }
    Listener& listener;
  };
  enum class Queue : std::uint8_t {
    kEmpty,
    kMore,       ///< Others should have their turn.
    kNoRoom,     ///< The worker has all the connections it may have.
    kExhausted,  ///< The process is out of descriptors or memory.
  };

  void watch();
  void unwatch() noexcept;
  void on_readable() override;
  Queue accept_queued(int most);

  Worker& worker_;
  EventLoop& loop_;
  ListenerConfig config_;
  std::string forwarded_port_;
  Descriptor socket_;
  bool listening_;
  Pause pause_;
  bool watched_ = false;
  bool without_room_ = false;
  int batch_ = 1;
  std::uint64_t last_turn_ = 0;
};

}  // namespace cppx::proxy
