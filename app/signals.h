#pragma once

#include <csignal>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/error.h"

namespace cppx::app {

/// What the process is told by signals (those that end it, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD), as
/// events of the main loop. They are blocked in all threads and read from a descriptor
/// (signalfd(2)), so that no worker is interrupted by one, however many come, and none ends the
/// process by itself.
class Signals {
 public:
  using Handler = std::function<void(int)>;

  /// To be called before another thread starts: each has blocked what its creator had. What comes
  /// from then on waits for start().
  static void block() noexcept;

  /// `handler` is called on `io` with the number.
  Signals(boost::asio::io_context& io, Handler handler);

  /// Fails where no descriptor is to be had.
  Result<void> start();
  /// Whatever comes afterwards is nobody's any more.
  void stop() noexcept;

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  static bool open(Descriptor& descriptor, const sigset_t& signals);
  void wait(Descriptor& descriptor);
  void read(Descriptor& descriptor);

  // One descriptor would tell of pending signals by their numbers, not in the order they came.
  Descriptor ends_;  // SIGTERM, SIGINT, SIGQUIT: heard before all others
  Descriptor others_;
  Handler handler_;
};

}  // namespace cppx::app
