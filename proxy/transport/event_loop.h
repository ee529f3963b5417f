#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace cppx::proxy {

class Transport;

enum class Direction : std::uint8_t { kRead, kWrite };

constexpr Direction opposite(Direction direction) noexcept {
  return direction == Direction::kRead ? Direction::kWrite : Direction::kRead;
}

/// The loop of one worker's thread. A connection's socket is registered once, for edges of both
/// directions (epoll(7), EPOLLET), and its transport remembers what it was told: so that waiting
/// for a socket costs no system call, and one epoll_wait all that a turn of the loop needs. Not
/// Asio's loop, because that would be a second one to go through for each event.
/// All but post() is called on the loop's thread.
class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;

  /// Is told of a socket for as long as it is readable: a listening one.
  class Readable {
   public:
    virtual void on_readable() = 0;

   protected:
    ~Readable() = default;
  };
  /// Is told when its time has come.
  class Timer {
   public:
    virtual void on_time() = 0;

   protected:
    ~Timer() = default;
  };

  /// Throws std::system_error when the process is out of descriptors.
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Turns until stop().
  void run();
  /// Waits until there is something to do, `most` at longest, and does it.
  void turn(std::chrono::milliseconds most);
  /// This turn is the last one.
  void stop() noexcept { stopped_ = true; }
  /// Counts turns.
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }

  /// From any thread: `work` is called on the loop's, in its next turn, before what that has to do
  /// for sockets.
  void post(std::function<void()> work);

  /// From now on `transport` is told of `socket`, which it must forget() before it is closed.
  /// False when the kernel does not watch it, out of memory as a rule: then it is not to be
  /// forgotten either.
  [[nodiscard]] bool add(int socket, Transport& transport);
  void forget(int socket) noexcept;
  /// How many sockets of transports are watched.
  [[nodiscard]] std::size_t sockets() const noexcept { return sockets_; }

  /// The same for a socket that is watched for as long as it is readable, until remove().
  [[nodiscard]] bool add(int socket, Readable& readable);
  void remove(int socket) noexcept;

  /// The loop has one timer; a new time replaces the one before. It may be late by a tick of the
  /// coarse clock.
  void set_timer(Timer& timer, Clock::time_point due) noexcept;

  /// The wait of the transport of `socket` is over: its waiter goes on after what else the loop has
  /// to do now. What is forgotten meanwhile is not told.
  void wake_soon(int socket, Direction direction);
  /// `waiter` goes on likewise.
  void resume_soon(std::coroutine_handle<> waiter);

 private:
  // Each turn takes so many at most; what else the loop has to do has its turn then.
  static constexpr std::size_t kEvents = 256;

  /// Of one descriptor number. The generation tells events of a socket that was closed meanwhile
  /// from those of its successor.
  struct Entry {
    Transport* transport = nullptr;
    Readable* readable = nullptr;
    std::uint32_t generation = 0;
  };
  /// Names a registration; what epoll_event carries.
  struct Key {
    std::uint32_t socket;
    std::uint32_t generation;
  };
  static std::uint64_t pack(Key key) noexcept {
    return std::uint64_t{key.generation} << 32 | key.socket;
  }
  static Key unpack(std::uint64_t data) noexcept {
    return {static_cast<std::uint32_t>(data), static_cast<std::uint32_t>(data >> 32)};
  }

  Entry& entry_of(int socket);
  [[nodiscard]] bool watch(int socket, std::uint32_t events) noexcept;
  [[nodiscard]] int timeout(std::chrono::milliseconds most) const noexcept;
  void note(Key key, std::uint32_t events) noexcept;
  void on_event(Key key);
  void wake(Key key, Direction direction);
  void wake_all();
  void run_posted();
  void run_timer();
  [[nodiscard]] Transport* find(Key key) const noexcept;

  Descriptor epoll_;
  Descriptor posted_event_;  // readable while something is in posted_
  bool stopped_ = false;
  std::uint64_t turns_ = 0;
  std::size_t sockets_ = 0;
  std::vector<Entry> entries_;  // by descriptor number
  std::array<epoll_event, kEvents> events_;
  std::vector<std::pair<Key, Direction>> waking_;
  std::vector<std::pair<Key, Direction>> waking_now_;
  std::vector<std::coroutine_handle<>> resuming_;
  std::vector<std::coroutine_handle<>> resuming_now_;
  Timer* timer_ = nullptr;
  Clock::time_point due_ = Clock::time_point::max();
  std::mutex mutex_;  // of posted_
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_{false};  // whether there is something in it, without the mutex
  std::uint64_t posted_turn_ = 0;        // when it was last run
};

}  // namespace cppx::proxy
