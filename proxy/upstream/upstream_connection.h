#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "proxy/coro/task.h"
#include "proxy/transport/transport.h"
#include "routing/endpoint/endpoint.h"
#include "tls/client_context.h"

namespace cppx::proxy {

/// What makes connections to backends interchangeable: where they lead and how they are spoken on.
struct UpstreamKey {
  routing::EndpointAddress address;
  bool tls = false;

  bool operator==(const UpstreamKey&) const = default;
};

struct UpstreamKeyHash {
  std::size_t operator()(const UpstreamKey& key) const noexcept {
    return routing::EndpointAddressHash{}(key.address) + std::size_t{key.tls};
  }
};

/// One connection to a backend: in use by one stream, or idle in the pool.
class UpstreamConnection {
 public:
  UpstreamConnection(EventLoop& loop, TimerWheel& wheel, const UpstreamKey& key)
      : transport_(loop, wheel), key_(key) {}

  [[nodiscard]] Transport& transport() noexcept { return transport_; }
  [[nodiscard]] const UpstreamKey& key() const noexcept { return key_; }

  /// A socket to connect() with; closed, with errno, when there is no descriptor for one.
  static Descriptor open_socket(const UpstreamKey& key) noexcept;
  /// TCP connect of `socket`, `begin` (a PROXY header, a few bytes; may be empty), and the
  /// handshake where the key asks for TLS. kOk, kTimeout, kCancelled (also when `socket` is
  /// closed), or kError (refused, unreachable, TLS failed, the protocol of `alpn` not taken).
  Task<IoStatus> connect(
      Descriptor socket, std::chrono::milliseconds timeout, tls::ClientContext& tls,
      tls::ClientAlpn alpn, std::string_view begin = {}
  );

  /// Requests sent so far.
  std::uint32_t requests = 0;
  /// It was made though an idle one was there, in whose place it goes to the pool: a backend shall
  /// not keep more than were in use at once.
  bool beside_idle = false;

  /// Whether none of the last `sent_bytes` written has been acknowledged by the peer's kernel so
  /// far: this is how a backend looks that closed an idle connection while the request was on its
  /// way, and its program cannot have read any of it. It says nothing of bytes in flight: a program
  /// that has only ended its own direction (SHUT_WR) and goes on reading may get them still.
  [[nodiscard]] bool nothing_acknowledged(std::size_t sent_bytes) noexcept;

 private:
  Task<IoStatus> connect_tcp(Descriptor made, std::chrono::milliseconds timeout);
  Task<IoStatus> handshake(
      std::chrono::milliseconds timeout, tls::ClientContext& tls, tls::ClientAlpn alpn
  );

  Transport transport_;
  UpstreamKey key_;
};

using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

}  // namespace cppx::proxy
