#include "app/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace cppx::app {
namespace {

constexpr std::initializer_list<int> kEnds{SIGTERM, SIGINT, SIGQUIT};
constexpr std::initializer_list<int> kOthers{SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

sigset_t set_of(std::initializer_list<int> numbers) noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : numbers) ::sigaddset(&signals, number);
  return signals;
}

}  // namespace

void Signals::block() noexcept {
  for (const auto& numbers : {kEnds, kOthers}) {
    const sigset_t signals = set_of(numbers);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }
}

Signals::Signals(boost::asio::io_context& io, Handler handler)
    : ends_(io), others_(io), handler_(std::move(handler)) {}

Result<void> Signals::start() {
  if (!open(ends_, set_of(kEnds)) || !open(others_, set_of(kOthers)))
    return config_error(
        Errc::kIo, fmt::format("cannot open a descriptor for signals: {}", std::strerror(errno))
    );
  wait(ends_);
  wait(others_);
  return {};
}

void Signals::stop() noexcept {
  boost::system::error_code ignored;
  ends_.close(ignored);
  others_.close(ignored);
}

bool Signals::open(Descriptor& descriptor, const sigset_t& signals) {
  const int opened = ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  if (opened >= 0) descriptor.assign(opened);
  return opened >= 0;
}

void Signals::wait(Descriptor& descriptor) {
  descriptor.async_wait(
      Descriptor::wait_read,
      [this, &descriptor](boost::system::error_code error) {
        if (error) return;
        read(ends_);
        if (&descriptor != &ends_) read(descriptor);
        if (descriptor.is_open()) wait(descriptor);
      }
  );
}

void Signals::read(Descriptor& descriptor) {
  // One at a time: what else the loop has to do goes on between them, also when they never end.
  signalfd_siginfo signal{};
  if (!descriptor.is_open() ||
      ::read(descriptor.native_handle(), &signal, sizeof(signal)) != sizeof(signal))
    return;
  handler_(static_cast<int>(signal.ssi_signo));
}

}  // namespace cppx::app
