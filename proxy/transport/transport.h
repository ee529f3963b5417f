#pragma once

#include <sys/uio.h>

#include <cassert>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/descriptor.h"
#include "proxy/coro/task.h"
#include "proxy/transport/event_loop.h"
#include "proxy/worker/timer_wheel.h"
#include "tls/stream.h"

namespace cppx::proxy {

enum class IoStatus : std::uint8_t {
  kOk,
  kWantRead,     ///< Nothing to be had now: wait until the socket is readable.
  kWantWrite,    ///< Wait until the socket is writable.
  kWantSession,  ///< Of a handshake: see tls::StreamStatus.
  kEof,          ///< The peer ended its side in an orderly way.
  kError,        ///< Reset, broken TLS, or another failure: the connection is of no more use.
  kTimeout,      ///< The deadline of this direction passed.
  kCancelled,    ///< cancel() was called for this direction.
};

struct IoResult {
  IoStatus status = IoStatus::kOk;
  std::size_t bytes = 0;
  int error = 0;  ///< errno of kError on the socket, below TLS too; 0 when it was TLS itself.
  [[nodiscard]] bool ok() const noexcept { return status == IoStatus::kOk; }
};

/// One byte stream of a worker: a TCP socket, with TLS on it or not. What is known to be ready is
/// done inline, what is not is awaited; waiting holds no buffer. One reader and one writer at a
/// time. Belongs to one thread. Neither throws nor allocates in a steady state.
class Transport final : private tls::ByteStream {
 public:
  Transport(EventLoop& loop, TimerWheel& wheel);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  ~Transport();

  /// Takes a connected or connecting socket, which must be non-blocking. False when the kernel has
  /// no memory to watch it.
  [[nodiscard]] bool assign(Descriptor socket);
  [[nodiscard]] int native_handle() const noexcept { return socket_.get(); }
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  [[nodiscard]] bool is_tls() const noexcept { return tls_ != nullptr; }

  /// From here on bytes go through `ssl`. False when out of memory.
  [[nodiscard]] bool start_tls(tls::SslPtr ssl) noexcept;
  /// The protocol that the handshake agreed on (RFC 7301); empty without one.
  [[nodiscard]] std::string_view alpn() const noexcept;
  /// With TLS: its version, cipher suite and SNI host name, for logs. They live as long as it.
  [[nodiscard]] std::string_view tls_protocol() const noexcept;
  [[nodiscard]] std::string_view tls_cipher() const noexcept;
  [[nodiscard]] std::string_view tls_server_name() const noexcept;
  /// One step of the handshake.
  IoResult try_handshake() noexcept;

  IoResult try_read(std::span<char> into) noexcept;
  /// Writes some of `pieces`, in order. With TLS, after kWantWrite the same pieces must be given
  /// again.
  IoResult try_write(std::span<const iovec> pieces) noexcept;
  /// What the socket has taken so far, below TLS.
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  /// Of that, what the peer's kernel has not acknowledged yet; 0 when it cannot be told. A system
  /// call; also of a connection that has ended, until it is closed here.
  [[nodiscard]] std::uint64_t unacknowledged_bytes() const noexcept;

  /// Reads at least one byte, waiting under the read deadline.
  Task<IoResult> read_some(std::span<char> into);
  /// Throws away at least one byte of what the socket holds, below TLS, waiting likewise.
  Task<IoResult> discard_some();
  /// Writes all of `pieces` (which it uses up), waiting under the write deadline, armed anew with
  /// `idle` for each wait. `bytes` of the result tells how many were taken, also when it failed.
  Task<IoResult> write_all(std::span<iovec> pieces, std::chrono::milliseconds idle);

  /// Awaitable: until the socket may be ready in `direction`, or kTimeout or kCancelled. A socket
  /// that has failed is ready.
  class WaitAwaiter;
  WaitAwaiter wait(Direction direction) noexcept;
  /// Likewise, for a reader whom TLS has to write something first, or the other way round: until
  /// the socket may be ready in the other direction, with the deadline and cancel() of this one.
  WaitAwaiter wait_across(Direction direction) noexcept;
  /// What lay in the socket was taken otherwise: it is readable again when more comes.
  void drained() noexcept { read_.ready = ended_; }
  /// Nothing has come, as far as the loop knows: an end neither.
  [[nodiscard]] bool silent() const noexcept {
    return !read_.ready && !has_buffered_input() && !tls_ended_;
  }

  /// From now on the read (write) side has until `after` has passed; replaces what was armed
  /// before.
  void arm_read(std::chrono::milliseconds after) noexcept {
    read_.timed_out = false;
    read_deadline_.arm(after);
  }
  /// Likewise, if that is sooner than what is armed.
  void hasten_read(std::chrono::milliseconds after) noexcept { read_deadline_.hasten(after); }
  /// Also a deadline that has passed since the last wait is forgotten.
  void disarm_read() noexcept {
    read_deadline_.disarm();
    read_.timed_out = false;
  }
  void arm_write(std::chrono::milliseconds after) noexcept {
    write_.timed_out = false;
    write_deadline_.arm(after);
  }
  void disarm_write() noexcept {
    write_deadline_.disarm();
    write_.timed_out = false;
  }

  /// The connection fails when what was sent is not acknowledged for so long: there is nobody at
  /// the other end any more, and nothing would tell (RFC 5482).
  void limit_unacknowledged(std::chrono::milliseconds longest) noexcept;

  /// Ends the wait in progress in this direction, and every later one until resume(), with
  /// kCancelled; read_some() and write_all() also where they would not have to wait.
  void cancel(Direction direction) noexcept;
  void cancel() noexcept;
  void resume(Direction direction) noexcept;
  /// Whether either direction is: nobody can use it as it is.
  [[nodiscard]] bool cancelled() const noexcept { return read_.cancelled || write_.cancelled; }

  /// The peer sends nothing more, or the connection is broken; what it sent before may still be
  /// unread.
  [[nodiscard]] bool peer_ended() const noexcept { return ended_; }
  /// Nothing can be sent any more either: it was reset, or both sides have ended.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// Whether received bytes lie in the TLS layer, so that waiting for the socket would be wrong.
  [[nodiscard]] bool has_buffered_input() const noexcept;
  /// Without consuming anything: kWantRead means alive and silent; kOk means bytes are there.
  IoResult peek() noexcept;
  /// The same; the first byte of what is there.
  IoResult peek(unsigned char& first) noexcept;

  /// What TLS took is free: from now on bytes are only thrown away.
  void forget_tls() noexcept { tls_.reset(); }
  /// Ends our side in an orderly way (close_notify with TLS, then FIN).
  void shutdown_send() noexcept;
  /// Ends both sides in an orderly way; there is nothing left to read.
  void finish() noexcept;
  void close() noexcept;
  /// Closes so that the peer sees a reset: what was sent is not a complete message.
  void abort() noexcept;

  // What the loop tells.
  struct Events {
    bool readable = false;
    bool writable = false;
    bool ended = false;   ///< The peer's side.
    bool broken = false;  ///< Both.
  };
  void on_ready(Events events) noexcept;
  void wake(Direction direction);

 private:
  struct SideDeadline final : Deadline {
    SideDeadline(TimerWheel& wheel, Transport& transport) noexcept
        : Deadline(wheel), transport_(transport) {}
    void expired() override { transport_.on_deadline(*this); }
    Transport& transport_;
  };
  struct Side {
    std::coroutine_handle<> waiter;
    bool across = false;  // it waits for what the other side is told
    bool ready = false;   // told so, and not used up since
    bool timed_out = false;
    bool cancelled = false;
  };

  Side& side(Direction direction) noexcept {
    return direction == Direction::kRead ? read_ : write_;
  }
  [[nodiscard]] const Side& side(Direction direction) const noexcept {
    return direction == Direction::kRead ? read_ : write_;
  }
  ssize_t receive(char* into, std::size_t size) noexcept override;
  ssize_t send(const char* data, std::size_t size, bool more) noexcept override;
  IoResult try_discard() noexcept;
  IoResult from_tls(tls::StreamResult result) const noexcept;
  void on_deadline(const SideDeadline& passed);
  void end_wait(Direction direction);
  [[nodiscard]] bool may_go_on(Direction direction) const noexcept {
    const Side& waiting = side(direction);
    const bool ready = waiting.across ? side(opposite(direction)).ready : waiting.ready;
    return ready || waiting.cancelled || waiting.timed_out || !socket_.is_open();
  }

  EventLoop& loop_;
  Descriptor socket_;
  std::unique_ptr<tls::Stream> tls_;
  SideDeadline read_deadline_;
  SideDeadline write_deadline_;
  Side read_;
  Side write_;
  std::uint64_t sent_bytes_ = 0;
  bool broken_ = false;
  bool tls_ended_ = false;  // a read has said so: whoever reads again hears it again
  bool ended_ = false;      // the peer's side, or all of it: reading does not block any more
  int failure_ = 0;         // errno of the socket below TLS, which says no more than that it failed
};

class Transport::WaitAwaiter {
 public:
  WaitAwaiter(Transport& transport, Direction direction) noexcept
      : transport_(transport), direction_(direction) {}
  [[nodiscard]] bool await_ready() const noexcept { return transport_.may_go_on(direction_); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    Side& side = transport_.side(direction_);
    assert(!side.waiter);  // one reader and one writer: nobody would ever wake the one before
    side.waiter = waiter;
  }
  [[nodiscard]] IoStatus await_resume() noexcept;

 private:
  Transport& transport_;
  Direction direction_;
};

inline Transport::WaitAwaiter Transport::wait(Direction direction) noexcept {
  return {*this, direction};
}

inline Transport::WaitAwaiter Transport::wait_across(Direction direction) noexcept {
  side(direction).across = true;
  return {*this, direction};
}

/// Uses up the first `bytes` of `pieces`; returns what is left of them.
std::span<iovec> consume(std::span<iovec> pieces, std::size_t bytes) noexcept;

}  // namespace cppx::proxy
