#pragma once

#include <sys/types.h>

#include <cstddef>

#include "tls/server_context.h"

namespace cppx::tls {

/// The socket below TLS, as OpenSSL reads and writes it. Neither call blocks; both return what
/// recv(2) and send(2) do, with errno.
class ByteStream {
 public:
  virtual ssize_t receive(char* into, std::size_t size) noexcept = 0;
  /// With `more` the kernel is to wait a moment for what follows, and to send both together.
  virtual ssize_t send(const char* data, std::size_t size, bool more) noexcept = 0;

 protected:
  ~ByteStream() = default;
};

/// From here on `ssl` reads and writes `stream`, which must outlive it. False when out of memory.
bool attach(SSL* ssl, ByteStream& stream) noexcept;

/// Whether what returned -1 is to be tried again later, as errno says.
bool would_block() noexcept;

/// Empties this thread's error queue. Before a call whose failure is to be told apart: what another
/// connection left there would be taken for its reason.
void forget_errors() noexcept;

}  // namespace cppx::tls
