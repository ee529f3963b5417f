#pragma once

#include <cstdint>
#include <memory>

#include "proxy/coro/task.h"
#include "proxy/transport/transport.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

/// One connection to a backend: in use by one stream, or idle in the pool.
class UpstreamConnection {
 public:
  UpstreamConnection(
      boost::asio::io_context& io, TimerWheel& wheel, const routing::EndpointAddress& address
  )
      : transport_(io, wheel), address_(address) {}

  [[nodiscard]] Transport& transport() noexcept { return transport_; }
  [[nodiscard]] const routing::EndpointAddress& address() const noexcept { return address_; }

  /// TCP connect. kOk, kTimeout, kCancelled, or kError (refused, unreachable, no descriptor).
  Task<IoStatus> connect(std::chrono::milliseconds timeout);

  /// Requests sent so far.
  std::uint32_t requests = 0;

  /// Whether none of the last `sent_bytes` written has been acknowledged by the peer's kernel. Then
  /// its program cannot have read them, and sending the request again is safe whatever its method:
  /// this is how a backend looks that closed an idle connection while the request was on its way.
  [[nodiscard]] bool nothing_acknowledged(std::size_t sent_bytes) noexcept;

 private:
  Transport transport_;
  routing::EndpointAddress address_;
};

using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

}  // namespace cppx::proxy
