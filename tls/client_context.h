#pragma once

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "tls/server_context.h"

namespace cppx::tls {

/// The protocol that a client offers in its handshake (RFC 7301).
enum class ClientAlpn : std::uint8_t {
  kHttp11,
  kHttp2,
};

/// The client side of TLS towards backends, for one worker: versions 1.2 and 1.3, no check of the
/// backend's certificate and no server name, as ingress-nginx speaks to them unless told otherwise.
/// Belongs to one thread.
class ClientContext {
 public:
  static Result<std::unique_ptr<ClientContext>> create();
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  /// A client-side SSL, to be attached as those of ServerContext are. Null when out of memory.
  SslPtr connect(ClientAlpn alpn);

 private:
  ClientContext() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::tls
