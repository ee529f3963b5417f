#include "proxy/transport/poller.h"

#include <system_error>

#include <cerrno>

#include <boost/asio/post.hpp>

#include "proxy/transport/transport.h"

namespace cppx::proxy {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

int make_epoll() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  return epoll;
}

}  // namespace

Poller::Poller(asio::io_context& io) : io_(io), epoll_(io.get_executor(), make_epoll()) { wait(); }

Poller::~Poller() { stop(); }

void Poller::stop() noexcept {
  boost::system::error_code ignored;
  epoll_.close(ignored);
}

bool Poller::add(int socket, Transport& transport) {
  const auto index = static_cast<std::size_t>(socket);
  if (index >= entries_.size()) entries_.resize(index + index / 2 + 64);
  Entry& entry = entries_[index];
  entry.transport = &transport;
  epoll_event event{};
  event.events = kInterest;
  event.data.u64 =
      pack({.socket = static_cast<std::uint32_t>(socket), .generation = entry.generation});
  if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &event) != 0) return false;
  ++sockets_;
  return true;
}

// Closing the socket takes it out of the epoll set, unless a process that is just being started
// still has it open: then events may come that nobody is meant by.
void Poller::forget(int socket) noexcept {
  Entry& entry = entries_[static_cast<std::size_t>(socket)];
  entry.transport = nullptr;
  ++entry.generation;
  --sockets_;
}

Transport* Poller::find(Key key) const noexcept {
  const Entry& entry = entries_[key.socket];
  return entry.generation == key.generation ? entry.transport : nullptr;
}

void Poller::wait() {
  epoll_.async_wait(
      asio::posix::descriptor_base::wait_read,
      [this](boost::system::error_code error) {
        if (error) return;
        on_ready();
        wait();
      }
  );
}

void Poller::on_ready() {
  for (unsigned look = 0; look < kLooks; ++look) {
    const int count =
        ::epoll_wait(epoll_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
    if (count <= 0) return;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      on_event(unpack(event.data.u64), event.events);
    }
  }
}

// Whoever is resumed may close its socket, or any other.
void Poller::on_event(Key key, std::uint32_t events) {
  Transport* transport = find(key);
  if (transport == nullptr) return;
  constexpr std::uint32_t kEnded = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  const bool readable = (events & (EPOLLIN | kEnded)) != 0;
  const bool writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  transport->on_ready(readable, writable, (events & kEnded) != 0);
  if (readable) wake(key, Direction::kRead);
  if (writable) wake(key, Direction::kWrite);
}

void Poller::wake(Key key, Direction direction) {
  if (Transport* transport = find(key)) transport->wake(direction);
}

void Poller::wake_all_soon() {
  if (waking_.empty() && resuming_.empty()) asio::post(io_, [this] { wake_all(); });
}

void Poller::resume_soon(std::coroutine_handle<> waiter) {
  wake_all_soon();
  resuming_.push_back(waiter);
}

void Poller::wake_soon(int socket, Direction direction) {
  wake_all_soon();
  const Entry& entry = entries_[static_cast<std::size_t>(socket)];
  waking_.emplace_back(
      Key{.socket = static_cast<std::uint32_t>(socket), .generation = entry.generation}, direction
  );
}

void Poller::wake_all() {
  std::swap(waking_, waking_now_);
  std::swap(resuming_, resuming_now_);
  for (const auto& [key, direction] : waking_now_) wake(key, direction);
  for (const std::coroutine_handle<> waiter : resuming_now_) waiter.resume();
  waking_now_.clear();
  resuming_now_.clear();
}

}  // namespace cppx::proxy
