#include "proxy/transport/event_loop.h"

#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <span>
#include <utility>

#include "base/coarse_clock.h"
#include "proxy/transport/transport.h"

namespace cppx::proxy {
namespace {

constexpr std::uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kBroken = EPOLLHUP | EPOLLERR;
constexpr std::uint32_t kEnded = EPOLLRDHUP | kBroken;
constexpr std::uint32_t kReadable = EPOLLIN | kEnded;
constexpr std::uint32_t kWritable = EPOLLOUT | kBroken;

Descriptor opened(int descriptor, const char* call) {
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), call);
  return Descriptor(descriptor);
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      posted_event_(opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  entry_of(posted_event_.get());
  if (!watch(posted_event_.get(), EPOLLIN))
    throw std::system_error(errno, std::system_category(), "epoll_ctl");
}

EventLoop::Entry& EventLoop::entry_of(int socket) {
  const auto index = static_cast<std::size_t>(socket);
  if (index >= entries_.size()) entries_.resize(index + index / 2 + 64);
  return entries_[index];
}

bool EventLoop::watch(int socket, std::uint32_t events) noexcept {
  const auto index = static_cast<std::uint32_t>(socket);
  epoll_event event{};
  event.events = events;
  event.data.u64 = pack({.socket = index, .generation = entries_[index].generation});
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) == 0;
}

bool EventLoop::add(int socket, Transport& transport) {
  Entry& entry = entry_of(socket);
  // What is refused never forgets itself: nothing must lead to it.
  if (!watch(socket, kEdges)) return false;
  entry.transport = &transport;
  ++sockets_;
  return true;
}

// Closing the socket takes it out of the epoll set, unless a process that is just being started
// still has it open: then events may come that nobody is meant by.
void EventLoop::forget(int socket) noexcept {
  Entry& entry = entries_[static_cast<std::size_t>(socket)];
  entry.transport = nullptr;
  ++entry.generation;
  --sockets_;
}

bool EventLoop::add(int socket, Readable& readable) {
  Entry& entry = entry_of(socket);
  if (!watch(socket, EPOLLIN)) return false;
  entry.readable = &readable;
  return true;
}

// Taken out of the set: as long as another process has it open, it would be readable on and on.
void EventLoop::remove(int socket) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
  Entry& entry = entries_[static_cast<std::size_t>(socket)];
  entry.readable = nullptr;
  ++entry.generation;
}

Transport* EventLoop::find(Key key) const noexcept {
  const Entry& entry = entries_[key.socket];
  return entry.generation == key.generation ? entry.transport : nullptr;
}

void EventLoop::run() {
  while (!stopped_) turn(std::chrono::hours(1));
}

int EventLoop::timeout(std::chrono::milliseconds most) const noexcept {
  if (stopped_ || !waking_.empty() || !resuming_.empty()) return 0;
  if (timer_ == nullptr) return static_cast<int>(most.count());
  // Rounded up: woken too early, it would have to wait once more.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), most).count());
}

void EventLoop::turn(std::chrono::milliseconds most) {
  const int count =
      ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(kEvents), timeout(most));
  ++turns_;
  const std::span events(events_.data(), static_cast<std::size_t>(std::max(count, 0)));
  // What is woken first may take up a connection that another event tells of: an idle one to a
  // backend that has ended.
  for (const epoll_event& event : events) note(unpack(event.data.u64), event.events);
  // The kernel tells of it after all sockets that are ready, which may be thousands: it may be that
  // memory is short.
  if (has_posted_.load(std::memory_order_acquire)) run_posted();
  for (const epoll_event& event : events) on_event(unpack(event.data.u64));
  if (!waking_.empty() || !resuming_.empty()) wake_all();
  // When nothing came it is the time that woke us, which the coarse clock may not have seen yet.
  if (timer_ != nullptr && due_ <= (count > 0 ? coarse_steady_now() : Clock::now())) run_timer();
}

void EventLoop::note(Key key, std::uint32_t events) noexcept {
  Transport* const transport = find(key);
  if (transport == nullptr) return;
  transport->on_ready(
      {.readable = (events & kReadable) != 0,
       .writable = (events & kWritable) != 0,
       .ended = (events & kEnded) != 0,
       .broken = (events & kBroken) != 0}
  );
}

// Whoever is resumed may close its socket, or any other.
void EventLoop::on_event(Key key) {
  const Entry& entry = entries_[key.socket];
  if (entry.generation != key.generation) return;
  if (entry.transport == nullptr) {
    if (entry.readable != nullptr) {
      entry.readable->on_readable();
    } else if (static_cast<int>(key.socket) == posted_event_.get()) {
      run_posted();
    }
    return;
  }
  // Either may wait for what concerns the other (Transport::wait_across).
  wake(key, Direction::kRead);
  wake(key, Direction::kWrite);
}

void EventLoop::wake(Key key, Direction direction) {
  if (Transport* transport = find(key)) transport->wake(direction);
}

void EventLoop::resume_soon(std::coroutine_handle<> waiter) { resuming_.push_back(waiter); }

void EventLoop::wake_soon(int socket, Direction direction) {
  const Entry& entry = entries_[static_cast<std::size_t>(socket)];
  waking_.emplace_back(
      Key{.socket = static_cast<std::uint32_t>(socket), .generation = entry.generation}, direction
  );
}

// Those that come up meanwhile go on in the next turn, after the sockets.
void EventLoop::wake_all() {
  std::swap(waking_, waking_now_);
  std::swap(resuming_, resuming_now_);
  for (const auto& [key, direction] : waking_now_) wake(key, direction);
  for (const std::coroutine_handle<> waiter : resuming_now_) waiter.resume();
  waking_now_.clear();
  resuming_now_.clear();
}

void EventLoop::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(work));
  has_posted_.store(true, std::memory_order_release);
  if (posted_.size() > 1) return;  // the loop has been told and has not come yet
  const std::uint64_t one = 1;
  // Fails only when it is readable already.
  [[maybe_unused]] const auto written = ::write(posted_event_.get(), &one, sizeof(one));
}

void EventLoop::run_posted() {
  // Once in a turn: what posts itself again lets the sockets have theirs.
  if (std::exchange(posted_turn_, turns_) == turns_) return;
  std::vector<std::function<void()>> now;
  {
    const std::lock_guard lock(mutex_);
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto read = ::read(posted_event_.get(), &ignored, sizeof(ignored));
    std::swap(now, posted_);
    has_posted_.store(false, std::memory_order_release);
  }
  for (const auto& work : now) work();
}

void EventLoop::set_timer(Timer& timer, Clock::time_point due) noexcept {
  timer_ = &timer;
  due_ = due;
}

void EventLoop::run_timer() {
  Timer& timer = *std::exchange(timer_, nullptr);
  timer.on_time();
}

}  // namespace cppx::proxy
