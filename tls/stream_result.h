#pragma once

#include <cstddef>
#include <cstdint>

namespace cppx::tls {

enum class StreamStatus : std::uint8_t {
  kOk,
  kWantRead,     ///< Nothing to be had before more was received.
  kWantWrite,    ///< The same call again once there is room for more to be sent.
  kWantSession,  ///< Of a handshake: a session of another ServerContext (HandshakeOptions).
  kEof,          ///< The peer ended its side: close_notify, or the end of the bytes below.
  kError,        ///< Broken TLS, or a failure below: of no more use.
};

struct StreamResult {
  StreamStatus status = StreamStatus::kOk;
  std::size_t bytes = 0;  ///< With kOk: how many were read or written.
};

}  // namespace cppx::tls
