#include "proxy/upstream/upstream_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace cppx::proxy {
namespace {

socklen_t to_sockaddr(const routing::EndpointAddress& address, sockaddr_storage& out) noexcept {
  out = {};
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.ip.data() + 12, 4);
    std::memcpy(&out, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  std::memcpy(&v6.sin6_addr, address.ip.data(), 16);
  std::memcpy(&out, &v6, sizeof(v6));
  return sizeof(v6);
}

/// A new socket takes so little at once.
bool send_first(Transport& transport, std::string_view bytes) noexcept {
  if (bytes.empty()) return true;
  const iovec piece{
      .iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()
  };  // NOLINT: only read
  return transport.try_write({&piece, 1}).bytes == bytes.size();
}

}  // namespace

Task<IoStatus> UpstreamConnection::connect(
    Descriptor socket, std::chrono::milliseconds timeout, tls::ClientContext& tls,
    tls::ClientAlpn alpn, std::string_view begin
) {
  auto connected = co_await connect_tcp(std::move(socket), timeout);
  if (connected == IoStatus::kOk && !send_first(transport_, begin)) connected = IoStatus::kError;
  if (connected == IoStatus::kOk && key_.tls) connected = co_await handshake(timeout, tls, alpn);
  co_return connected;
}

Task<IoStatus> UpstreamConnection::handshake(
    std::chrono::milliseconds timeout, tls::ClientContext& tls, tls::ClientAlpn alpn
) {
  auto ssl = tls.connect(alpn);
  if (!ssl || !transport_.start_tls(std::move(ssl))) co_return IoStatus::kError;
  transport_.arm_read(timeout);
  transport_.arm_write(timeout);
  for (;;) {
    const IoResult result = transport_.try_handshake();
    if (result.ok()) break;
    if (result.status != IoStatus::kWantRead && result.status != IoStatus::kWantWrite)
      co_return IoStatus::kError;
    const auto ready = co_await transport_.wait(
        result.status == IoStatus::kWantRead ? Direction::kRead : Direction::kWrite
    );
    if (ready != IoStatus::kOk) co_return ready;
  }
  transport_.disarm_read();
  transport_.disarm_write();
  const bool http2 = transport_.alpn() == "h2";
  co_return http2 == (alpn == tls::ClientAlpn::kHttp2) ? IoStatus::kOk : IoStatus::kError;
}

Descriptor UpstreamConnection::open_socket(const UpstreamKey& key) noexcept {
  const int family = key.address.is_v4() ? AF_INET : AF_INET6;
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
}

Task<IoStatus> UpstreamConnection::connect_tcp(Descriptor made, std::chrono::milliseconds timeout) {
  if (!made.is_open()) co_return IoStatus::kCancelled;
  const int socket = made.get();
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_storage to;
  const socklen_t size = to_sockaddr(key_.address, to);
  const int connected = ::connect(socket, reinterpret_cast<const sockaddr*>(&to), size);
  const bool pending = connected != 0 && errno == EINPROGRESS;
  // Watched from here on only: an unconnected socket would be said to have ended.
  if ((connected != 0 && !pending) || !transport_.assign(std::move(made)))
    co_return IoStatus::kError;
  if (!pending) co_return IoStatus::kOk;
  transport_.arm_write(timeout);
  const auto ready = co_await transport_.wait(Direction::kWrite);
  transport_.disarm_write();
  if (ready != IoStatus::kOk) co_return ready;
  int error = 0;
  socklen_t error_size = sizeof(error);
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &error_size);
  co_return error == 0 ? IoStatus::kOk : IoStatus::kError;
}

bool UpstreamConnection::nothing_acknowledged(std::size_t sent_bytes) noexcept {
  return transport_.unacknowledged_bytes() >= sent_bytes;
}

}  // namespace cppx::proxy
