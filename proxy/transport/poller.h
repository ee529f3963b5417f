#pragma once

#include <sys/epoll.h>

#include <array>
#include <coroutine>
#include <cstdint>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace cppx::proxy {

class Transport;

enum class Direction : std::uint8_t { kRead, kWrite };

/// Tells the transports of one worker when their sockets become ready. A socket is registered once,
/// for edges of both directions (epoll(7), EPOLLET), and its transport remembers what it was told:
/// so that waiting for a socket costs no system call. Asio's loop waits for all of them as one
/// descriptor.
class Poller {
 public:
  /// Throws std::system_error when the process is out of descriptors.
  explicit Poller(boost::asio::io_context& io);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// From now on `transport` is told of `socket`, which it must forget() before it is closed.
  /// False when the kernel is out of memory.
  bool add(int socket, Transport& transport);
  void forget(int socket) noexcept;
  /// How many are watched.
  [[nodiscard]] std::size_t sockets() const noexcept { return sockets_; }

  /// The wait of the transport of `socket` is over: its waiter goes on after what else the loop has
  /// to do now. What is forgotten meanwhile is not told.
  void wake_soon(int socket, Direction direction);
  /// Of a socket that is being closed: `waiter` goes on likewise.
  void resume_soon(std::coroutine_handle<> waiter);

  /// Lets the loop end: nothing is waited for any more.
  void stop() noexcept;

 private:
  // Each turn takes so many at most; what else the loop has to do has its turn then.
  static constexpr std::size_t kEvents = 256;
  /// While it answers, more comes in: to look again costs less than to go by Asio's loop.
  static constexpr unsigned kLooks = 4;

  /// Of one descriptor number. The generation tells events of a socket that was closed meanwhile
  /// from those of its successor.
  struct Entry {
    Transport* transport = nullptr;
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

  void wait();
  void on_ready();
  void on_event(Key key, std::uint32_t events);
  void wake(Key key, Direction direction);
  void wake_all();
  void wake_all_soon();
  [[nodiscard]] Transport* find(Key key) const noexcept;

  boost::asio::io_context& io_;
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> epoll_;
  std::size_t sockets_ = 0;
  std::vector<Entry> entries_;  // by descriptor number
  std::array<epoll_event, kEvents> events_;
  std::vector<std::pair<Key, Direction>> waking_;
  std::vector<std::pair<Key, Direction>> waking_now_;
  std::vector<std::coroutine_handle<>> resuming_;
  std::vector<std::coroutine_handle<>> resuming_now_;
};

}  // namespace cppx::proxy
