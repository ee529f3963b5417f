#pragma once

#include <sys/uio.h>

#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/codec/http2/session.h"
#include "proxy/coro/task.h"
#include "proxy/stream/body_part.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/transport/transport.h"
#include "proxy/worker/buffer_pool.h"
#include "proxy/worker/timer_wheel.h"

namespace cppx::proxy {

class Http2Link;

/// The body of one stream in both directions, either role: what has been received and not been
/// taken yet, and what is being sent. What is received is bounded by the window, which is opened
/// again only as far as the other side has taken it.
class Http2Stream {
 public:
  /// Bytes that a peer may send ahead on one stream. Not less than the 65535 that it may before it
  /// has seen our SETTINGS (RFC 9113 6.9.2).
  static constexpr std::uint32_t kWindow = 64 * 1024;

  explicit Http2Stream(Http2Link& link);
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;
  ~Http2Stream();

  void open(http2::StreamId id) noexcept { id_ = id; }
  [[nodiscard]] http2::StreamId id() const noexcept { return id_; }

  // What the session tells: called from within it.
  void on_data(std::span<const char> bytes);
  void on_trailers(std::span<const http2::Field> fields);
  void on_end();
  void on_head(http2::PeerHead head);
  /// Nothing else comes but on_closed().
  void on_bad_head() noexcept { malformed_ = !closed_; }
  /// Its head is about to be written to a connection that has sent so many bytes.
  void on_sending(std::uint64_t sent_bytes) noexcept { sent_before_ = sent_bytes; }
  [[nodiscard]] std::uint64_t sent_before() const noexcept { return sent_before_; }
  void on_sent();
  void on_progress() noexcept;
  void on_closed(std::uint32_t error_code, bool refused);

  // Receiving.
  BodyPart next_body();
  Task<BodyPart> read_body();
  /// Takes nothing. Until ended(), and no longer than anything else ends the wait of a reader.
  Task<void> wait_for_end();
  void rewind() noexcept { taken_ = 0; }
  /// Nothing that was received has been given back to the window: rewind() finds all of it.
  [[nodiscard]] bool untouched() const noexcept { return untouched_; }
  /// The peer's message is complete.
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// Waits for the next head: kOk, kTimeout, kCancelled, or kEof when the stream is closed.
  Task<IoStatus> next_head();
  /// The head that next_head() waited for, or the first one. It lives as long as the stream or the
  /// next next_head().
  [[nodiscard]] const http2::PeerHead& head() const noexcept { return heads_.front(); }
  /// Heads that have come and were not waited for.
  [[nodiscard]] std::size_t heads() const noexcept { return heads_.size(); }

  /// Hears of a stream that is closed before our message was complete; null: nobody does.
  void watch(ClientWatcher* watcher);

  // Sending; `idle` is between two writes. kError: the stream is closed.
  Task<IoStatus> send(const BodyPart& part, std::chrono::milliseconds idle);
  /// The same, but no longer than until the peer's head has come: kWantWrite then, and what is left
  /// goes with finish_sending(). `part` has to stay until that.
  Task<IoStatus> send_until_head(const BodyPart& part, std::chrono::milliseconds idle);
  Task<IoStatus> finish_sending();

  /// Our message was ended otherwise than by send(): with its head.
  void message_ended() noexcept { sent_end_ = true; }
  [[nodiscard]] bool sent_end() const noexcept { return sent_end_; }

  void arm_read(std::chrono::milliseconds after) noexcept;
  void disarm_read() noexcept {
    read_.deadline.disarm();
    read_.timed_out = false;
  }
  void cancel(Direction direction) noexcept;
  void resume_read() noexcept { read_.cancelled = false; }

  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] bool refused() const noexcept { return refused_; }
  /// It was closed here, for what came as a head.
  [[nodiscard]] bool malformed() const noexcept { return malformed_; }
  [[nodiscard]] std::uint32_t error_code() const noexcept { return error_code_; }

  /// Called by the link: what waits goes on.
  void resume();

 private:
  struct Side {
    struct Timer final : Deadline {
      Timer(TimerWheel& wheel, Http2Stream& owner, Side& on) noexcept
          : Deadline(wheel), stream(owner), side(on) {}
      void expired() override;
      Http2Stream& stream;
      Side& side;
    };
    Side(TimerWheel& wheel, Http2Stream& owner) noexcept : deadline(wheel, owner, *this) {}
    Timer deadline;
    std::coroutine_handle<> waiter;
    bool timed_out = false;
    bool cancelled = false;
    bool news = false;  // something happened since the last wait
  };
  struct Wait {
    Side& side;
    [[nodiscard]] bool await_ready() const noexcept {
      return side.news || side.timed_out || side.cancelled;
    }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { side.waiter = waiter; }
    void await_resume() noexcept { side.news = false; }
  };
  static constexpr std::size_t kBuffers = kWindow / BufferPool::kSmall + 1;

  void start_sending(const BodyPart& part, std::chrono::milliseconds idle);
  Task<IoStatus> sending(bool until_head);
  void signal(Side& side);
  static void go_on(Side& side);
  void release_taken();
  /// False: there are more than can be sent.
  bool send_trailers(std::string_view lines);

  Http2Link& link_;
  http2::StreamId id_ = 0;
  std::array<Buffer, kBuffers> buffers_;  // all full but the last one
  std::array<iovec, kBuffers> pieces_;
  std::size_t received_ = 0;            // bytes in buffers_
  std::size_t taken_ = 0;               // of them, handed out
  std::vector<http2::PeerHead> heads_;  // one, or some interim ones before it
  std::string trailers_;
  ClientWatcher* watcher_ = nullptr;
  Side read_;
  Side write_;
  std::chrono::milliseconds write_idle_{};
  std::string_view sending_trailers_;
  std::uint64_t sent_before_ = 0;
  bool untouched_ = true;
  bool head_taken_ = false;  // the first of heads_ has been waited for
  bool ended_ = false;
  bool sent_ = true;
  bool sending_end_ = false;
  bool sent_end_ = false;  // our message is complete
  bool closed_ = false;
  bool refused_ = false;
  bool malformed_ = false;
  std::uint32_t error_code_ = 0;
};

}  // namespace cppx::proxy
