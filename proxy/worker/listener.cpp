#include "proxy/worker/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/log.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

constexpr int kBacklog = 4096;
// Accepted in a row before other work has its turn, when there are more and more of them.
constexpr int kAcceptBatch = 32;
// After running out of descriptors: long enough to let some be closed, short enough not to be
// noticed.
constexpr std::chrono::milliseconds kAcceptPause{50};

struct BindAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_INET6;
};

Result<BindAddress> parse_bind_address(const ListenerConfig& config) {
  BindAddress bind;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(config.port);
  v6.sin6_addr = in6addr_any;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(config.port);
  const std::string& text = config.bind_address;
  if (text.empty() || ::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&bind.storage, &v6, sizeof(v6));
    bind.size = sizeof(v6);
    return bind;
  }
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) != 1)
    return config_error(
        Errc::kInvalidArgument, fmt::format("--bind-address={}: not an IP address", text)
    );
  std::memcpy(&bind.storage, &v4, sizeof(v4));
  bind.size = sizeof(v4);
  bind.family = AF_INET;
  return bind;
}

Error listen_error(const ListenerConfig& config, const char* what) {
  const auto where =
      config.bind_address.empty() ? std::string("all addresses") : config.bind_address;
  return config_error(
      Errc::kIo, fmt::format(
                     "cannot listen on {} port {} ({}): {}: {}", where, config.port, config.name,
                     what, std::strerror(errno)
                 )
  );
}

bool set(int socket, int level, int option, int value) noexcept {
  return ::setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

/// A socket bound to the address, or -1 with errno. Falls back to IPv4 where the machine has no
/// IPv6.
int bound_socket(BindAddress& bind, const ListenerConfig& config, bool reuse_port) {
  int socket = ::socket(bind.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket < 0 && errno == EAFNOSUPPORT && config.bind_address.empty()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(config.port);
    std::memcpy(&bind.storage, &v4, sizeof(v4));
    bind.size = sizeof(v4);
    bind.family = AF_INET;
    socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  }
  if (socket < 0) return -1;
  if (bind.family == AF_INET6) set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  // What is accepted inherits it.
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if ((reuse_port && !set(socket, SOL_SOCKET, SO_REUSEPORT, 1)) ||
      ::bind(socket, reinterpret_cast<const sockaddr*>(&bind.storage), bind.size) != 0) {
    const int reason = errno;
    ::close(socket);
    errno = reason;
    return -1;
  }
  return socket;
}

}  // namespace

ClientAddress address_of(const sockaddr_storage& from) noexcept {
  if (from.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof(v4));
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {routing::IpAddress::from_v4(bytes), ntohs(v4.sin_port)};
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &from, sizeof(v6));
  routing::IpAddress ip;
  std::memcpy(ip.bytes.data(), &v6.sin6_addr, ip.bytes.size());
  return {ip, ntohs(v6.sin6_port)};
}

Result<ListenerSocket> open_listener(const ListenerConfig& config, ListenerPlace place) {
  auto bind = parse_bind_address(config);
  if (!bind) return bind.error();
  if (place == ListenerPlace::kFirst && config.port != 0) {
    // With SO_REUSEPORT a second program would silently take half of the connections: without it
    // the kernel says that the port is taken.
    const int probe = bound_socket(*bind, config, false);
    if (probe < 0 || ::listen(probe, 1) != 0) {
      const Error error = listen_error(config, "bind");
      if (probe >= 0) ::close(probe);
      return error;
    }
    ::close(probe);
  }
  const int socket = bound_socket(*bind, config, true);
  if (socket < 0) return listen_error(config, "bind");
  const bool listening = place != ListenerPlace::kBesidePredecessor;
  if (listening && ::listen(socket, kBacklog) != 0) {
    const Error error = listen_error(config, "listen");
    ::close(socket);
    return error;
  }
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size);
  sockaddr_in6 v6;
  std::memcpy(&v6, &local, sizeof(v6));  // the port lies at the same place for both families
  return ListenerSocket{
      .socket = socket, .listening = listening, .port = ntohs(v6.sin6_port), .config = config
  };
}

Listener::Listener(Worker& worker, EventLoop& loop, TimerWheel& wheel, ListenerSocket socket)
    : worker_(worker),
      loop_(loop),
      config_(std::move(socket.config)),
      forwarded_port_(
          std::to_string(config_.forwarded_port != 0 ? config_.forwarded_port : socket.port)
      ),
      socket_(socket.socket),
      listening_(socket.listening),
      pause_(wheel, *this) {
  config_.port = socket.port;
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

Listener::~Listener() { leave(); }

void Listener::start() {
  if (!listening_ && socket_.is_open() && ::listen(socket_.get(), kBacklog) != 0)
    return log::error("{}", listen_error(config_, "listen").detail);
  watch();
}

void Listener::watch() {
  if (watched_ || !socket_.is_open()) return;
  watched_ = loop_.add(socket_.get(), *this);
  if (!watched_) pause_.arm(kAcceptPause);
}

void Listener::unwatch() noexcept {
  if (watched_) loop_.remove(socket_.get());
  watched_ = false;
}

// One at a time, as the next turn of the loop tells for nothing whether there are more; twice as
// many with each turn that there are.
void Listener::on_readable() {
  const bool again = loop_.turns() == last_turn_ + 1;
  last_turn_ = loop_.turns();
  batch_ = again ? std::min(2 * batch_, kAcceptBatch) : 1;
  switch (accept_queued(batch_)) {
    case Queue::kEmpty:
    case Queue::kMore:
      break;
    case Queue::kNoRoom:
      unwatch();
      without_room_ = true;
      worker_.wait_for_room();
      break;
    case Queue::kExhausted:
      unwatch();
      worker_.on_descriptors_exhausted();
      pause_.arm(kAcceptPause);
      break;
  }
}

void Listener::resume() {
  if (!without_room_) return;
  without_room_ = false;
  watch();
}

Listener::Queue Listener::accept_queued(int most) {
  for (int i = 0; i < most; ++i) {
    // While it drains the worker takes in who was there already.
    // Only at first is it known that somebody waits.
    if (!worker_.draining() && !worker_.has_room()) return i == 0 ? Queue::kNoRoom : Queue::kMore;
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    Descriptor socket(::accept4(
        socket_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC
    ));
    if (!socket.is_open()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      const bool exhausted =
          errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      return exhausted ? Queue::kExhausted : Queue::kEmpty;
    }
    worker_.on_accept(std::move(socket), *this, address_of(from));
  }
  return Queue::kMore;
}

void Listener::stop() {
  if (!socket_.is_open()) return;
  // Before: who comes between the last look at the queue and its end is reset.
  unwatch();
  for (int left = kBacklog; left > 0 && accept_queued(kAcceptBatch) == Queue::kMore;)
    left -= kAcceptBatch;
  leave();
}

void Listener::leave() {
  unwatch();
  pause_.disarm();
  socket_.reset();
}

}  // namespace cppx::proxy
