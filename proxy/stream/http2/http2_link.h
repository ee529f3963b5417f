#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proxy/codec/http2/session.h"
#include "proxy/coro/task.h"
#include "proxy/stream/http2/http2_stream.h"
#include "proxy/transport/transport.h"
#include "proxy/worker/buffer_pool.h"

namespace cppx::proxy {

class Worker;

/// What a link serves: told when received bytes have been worked off, outside of the session.
class Http2LinkOwner {
 public:
  /// Streams that are resumed after it see what it did.
  virtual void on_fed() = 0;
  /// Nothing more is read: what is asked of the peer now gets no answer.
  virtual void on_ending() {}

 protected:
  ~Http2LinkOwner() = default;
};

/// Moves bytes between an HTTP/2 session and its transport, and resumes the streams that the bytes
/// were for. Either role. Streams are resumed only between calls of the session, so that what they
/// do next never runs inside of it.
class Http2Link {
 public:
  /// All must outlive the link; `send_timeout` is between two writes.
  Http2Link(
      Worker& worker, Transport& transport, http2::Session& session, Http2LinkOwner& owner,
      std::chrono::milliseconds send_timeout
  );
  Http2Link(const Http2Link&) = delete;
  Http2Link& operator=(const Http2Link&) = delete;

  /// What has been read of the connection already; given back once it has been fed.
  struct Early {
    Buffer memory{};
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  /// Feeds `early`, then what is read, until the connection ends, is cancelled, times out (the
  /// read deadline of the transport), or the session has nothing more to read. Says GOAWAY then,
  /// and writes what the session still has to say before it returns.
  Task<void> run(Early early);

  /// Something was submitted to the session: written after what else the loop has to do now, so
  /// that the frames of several streams go out together.
  void flush();
  /// `stream` has news; it is resumed when the session is left.
  void wake(Http2Stream& stream) { woken_.push_back(&stream); }
  /// From anywhere: what was woken is resumed after what else the loop has to do now.
  void resume_soon();
  /// A woken stream is about to go away.
  void forget(const Http2Stream& stream) noexcept;
  /// Resumes what was woken; never from within the session.
  void resume_woken();
  /// Nothing of the link is under way any more.
  [[nodiscard]] bool idle() const noexcept { return !writing_ && !resuming_soon_; }
  /// Waits until idle().
  Task<void> settle();
  /// Nothing is read any more: what is asked of the peer now gets no answer.
  [[nodiscard]] bool ending() const noexcept { return ending_ || failed_; }
  /// Once run() has returned: it was for the read deadline.
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }
  /// Of what the transport has sent, the part that the peer can have read before it ended its side;
  /// once run() has returned. What is in flight then, one that still reads may get.
  [[nodiscard]] std::uint64_t read_at_most() const noexcept;
  /// From the next write on.
  void allow_send_timeout(std::chrono::milliseconds longer) noexcept { send_timeout_ = longer; }
  [[nodiscard]] http2::Session& session() noexcept { return session_; }
  [[nodiscard]] Worker& worker() noexcept { return worker_; }

 private:
  Task<void> write();
  Task<void> resume_later();
  bool feed(std::span<const char> bytes);
  void note_end(bool by_fin) noexcept;

  Worker& worker_;
  Transport& transport_;
  http2::Session& session_;
  Http2LinkOwner& owner_;
  std::chrono::milliseconds send_timeout_;
  std::vector<Http2Stream*> woken_;
  std::vector<Http2Stream*> resuming_;
  Event written_;
  Event resumed_;
  bool writing_ = false;
  bool resuming_soon_ = false;
  bool ending_ = false;  // run() is past its last read
  bool failed_ = false;  // nothing can be written any more
  bool timed_out_ = false;
  // Once it has ended: whether the peer's FIN was the first that was seen of that.
  std::optional<bool> ended_by_fin_;
};

}  // namespace cppx::proxy
