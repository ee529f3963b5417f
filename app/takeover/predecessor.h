#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "proxy/worker/listener.h"

namespace cppx::app {

/// The cppx whose place this process takes: gives its listening sockets, and ends when told that
/// they are served. Until then it serves as before, and it goes on if this process fails.
class Predecessor {
 public:
  /// The environment variable with the number of the socket to the process that started this one
  /// (SIGUSR2).
  static constexpr const char* kEnvironment = "CPPX_TAKEOVER_FD";

  /// The one that started this process, or the one that listens at `path` (may be empty). None
  /// without either. Errors: it does not answer as it should.
  static Result<std::optional<Predecessor>> find(const std::string& path);

  /// The sockets of the proxy's listeners; the caller owns them.
  [[nodiscard]] std::vector<proxy::ListenerSocket> take_listeners() noexcept;
  /// That of the health server; -1 when there is none, or it is another address.
  [[nodiscard]] Descriptor take_health_socket() noexcept { return std::move(health_); }

  /// The sockets are served here now: the predecessor takes no more connections.
  void tell_serving() noexcept;

 private:
  explicit Predecessor(Descriptor socket) noexcept : socket_(std::move(socket)) {}
  Result<void> receive_sockets();

  Descriptor socket_;
  std::vector<proxy::ListenerSocket> listeners_;
  Descriptor health_;
};

}  // namespace cppx::app
