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

/// The server side of TLS for one worker: protocol versions (1.2, 1.3), ciphers, ALPN http/1.1, and
/// the certificate by server name. Belongs to one thread; holds nothing that depends on a snapshot.
class ServerContext {
 public:
  static Result<std::unique_ptr<ServerContext>> create();
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  /// A server-side SSL on `socket` (not owned) that chooses its certificate in `certificates`, which
  /// must outlive the handshake. Null when out of memory.
  SslPtr accept(int socket, const SniTable& certificates);

 private:
  ServerContext() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::tls
