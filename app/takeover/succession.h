#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "proxy/worker/listener.h"

namespace cppx::app {

/// What a successor is given: borrowed, open as long as this process serves.
struct OfferedSockets {
  std::vector<proxy::ListenerSocket> listeners;
  int health = -1;
};

/// Hands the listening sockets to the next cppx: one that asks at a Unix socket (--takeover), or
/// one that this process starts (SIGUSR2). Lives on the main loop.
class Succession {
 public:
  /// `sockets` tells what there is to give; `on_served` is called once, when a successor serves.
  Succession(
      boost::asio::io_context& io, std::function<OfferedSockets()> sockets,
      std::function<void()> on_served
  );
  ~Succession();
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

  /// Lets successors ask at `path`, from now on instead of whoever listened there.
  Result<void> listen(const std::string& path);
  /// Starts the program that lies where this one was started from, with the same arguments.
  void start_successor();
  /// A child of this process may have ended (SIGCHLD).
  void reap() noexcept;
  /// Whether one has the sockets, and may serve any time.
  [[nodiscard]] bool has_candidate() const noexcept;
  /// No more successors.
  void stop() noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace cppx::app
