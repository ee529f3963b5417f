#include "app/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace cppx::app {
namespace {

sigset_t all_of_ours() noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD})
    ::sigaddset(&signals, number);
  return signals;
}

}  // namespace

void Signals::block() noexcept {
  const sigset_t signals = all_of_ours();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

Signals::Signals(boost::asio::io_context& io, Handler handler)
    : descriptor_(io), handler_(std::move(handler)) {}

Result<void> Signals::start() {
  const sigset_t signals = all_of_ours();
  const int descriptor = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0)
    return config_error(
        Errc::kIo, fmt::format("cannot open a descriptor for signals: {}", std::strerror(errno))
    );
  descriptor_.assign(descriptor);
  wait();
  return {};
}

void Signals::stop() noexcept {
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

void Signals::wait() {
  descriptor_.async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [this](boost::system::error_code error) {
        if (error) return;
        read();
        if (descriptor_.is_open()) wait();
      }
  );
}

void Signals::read() {
  // One at a time: what else the loop has to do goes on between them, also when they never end.
  signalfd_siginfo signal{};
  if (::read(descriptor_.native_handle(), &signal, sizeof(signal)) != sizeof(signal)) return;
  handler_(static_cast<int>(signal.ssi_signo));
}

}  // namespace cppx::app
