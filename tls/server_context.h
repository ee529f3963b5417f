#pragma once

#include <openssl/types.h>

#include <memory>

#include "base/error.h"

namespace cppx::tls {

class SniTable;

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept;
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

/// Strength below which a key or signature is refused, here and by Certificate::from_pem: RSA of
/// 2048 bits, SHA-256 (OpenSSL's security level 2).
inline constexpr int kSecurityBits = 112;

/// What one handshake is served by; must outlive it, at the same address.
struct HandshakeOptions {
  const SniTable& certificates;
  bool http2 = false;  ///< Offer h2 (RFC 9113 3.2) before http/1.1.
};

/// The server side of TLS for one worker: protocol versions (1.2, 1.3), ciphers, ALPN, and the
/// certificate by server name. Sessions are cached for resumption (under the same name and
/// certificate only), tickets are off. Belongs to one thread; holds nothing that depends on a
/// snapshot.
class ServerContext {
 public:
  static Result<std::unique_ptr<ServerContext>> create();
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  /// A server-side SSL, to be attached to what it reads and writes (byte_stream.h). Null when out
  /// of memory.
  ///
  /// OpenSSL reads ahead: call SSL_read until it wants more before waiting for the socket. The
  /// SSL's app data is taken.
  SslPtr accept(const HandshakeOptions& options);

 private:
  ServerContext() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::tls
