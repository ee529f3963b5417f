#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "proxy/codec/http2/session.h"
#include "proxy/coro/task.h"
#include "proxy/stream/http2/http2_link.h"
#include "proxy/stream/http2/http2_stream.h"
#include "proxy/upstream/upstream_connection.h"
#include "routing/settings.h"

namespace cppx::proxy {

class Worker;

/// One HTTP/2 connection of a worker to a backend, shared by the streams of many clients. Owned by
/// an Http2Pool; alive until its run() has ended and the last stream has let go of it.
class Http2Client final : private http2::SessionEvents, private Http2LinkOwner {
 public:
  /// `timeouts` are those of the first one who needs the connection.
  Http2Client(
      Worker& worker, const UpstreamKey& key, const routing::ProxySettings& settings,
      const routing::UpstreamTimeouts& timeouts
  );
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  /// Connects, and carries streams until the connection is over. Run once.
  Task<void> run();
  /// Makes run() end soon.
  void cut() noexcept;

  enum class State : std::uint8_t {
    kConnecting,
    kOpen,
    kFailed,
    kTimedOut,
    kNoSocket,  ///< There was no descriptor for one, or it was cut: not the backend's failure.
    kEnded,
  };
  [[nodiscard]] State state() const noexcept { return state_; }
  /// Whether another stream may go on it, now, or when it is connected if `expected` of them fit.
  [[nodiscard]] bool takes_streams(std::uint32_t expected) const noexcept;
  [[nodiscard]] bool takes_streams_now() const noexcept;
  /// The backend takes none from the beginning, for now: another connection would be told the same.
  [[nodiscard]] bool takes_none() const noexcept {
    return alive() && !goaway_ && !used_ && max_streams() == 0;
  }
  /// Streams of a request with `timeouts` are to go on it: what is between two writes to the
  /// backend may take as long as any of them allows. Each stream has its own deadline.
  void allow(const routing::UpstreamTimeouts& timeouts) noexcept;
  /// Open, and nobody uses it.
  [[nodiscard]] bool idle() const noexcept { return state_ == State::kOpen && unused(); }
  /// Closes an idle one at once.
  void close_idle() noexcept;
  /// Connected, and still read: what ends a stream now is not the end of the connection.
  [[nodiscard]] bool alive() const noexcept { return state_ == State::kOpen && !link_.ending(); }
  /// It has ended, or the backend has said that it will.
  [[nodiscard]] bool on_its_way_out() const noexcept { return goaway_ || !alive(); }
  /// Of each step until it is open.
  [[nodiscard]] std::chrono::milliseconds connect_timeout() const noexcept {
    return connect_timeout_;
  }
  /// How many the backend takes at once; once it is open.
  [[nodiscard]] std::uint32_t max_streams() const noexcept { return session_.peer_max_streams(); }
  /// Whether the caller is the first to hear that the connection was not made: others that waited
  /// for it know no more.
  [[nodiscard]] bool take_failure() noexcept { return !std::exchange(failure_taken_, true); }
  /// Whether it has carried a stream before.
  [[nodiscard]] bool used() const noexcept { return used_; }
  [[nodiscard]] bool unused() const noexcept {
    return streams_.empty() && waiting_.empty() && link_.idle() && !cancelling_;
  }

  /// One who waits for the connection to be made (or not).
  struct Waiter {
    std::coroutine_handle<> coroutine;
    bool cancelled = false;
  };
  void wait(Waiter& waiter) { waiting_.push_back(&waiter); }
  /// Its wait ends soon, with `cancelled` set.
  void cancel(Waiter& waiter);

  [[nodiscard]] Http2Link& link() noexcept { return link_; }
  /// Opens a stream for `fields`; false when the connection takes none after all.
  bool open(Http2Stream& stream, std::span<const http2::Field> fields, bool end);
  /// The owner of `stream` is done with it. `reset`: the backend is to stop.
  void release(Http2Stream& stream, bool reset);

 private:
  void on_request(http2::StreamId, bool) override {}
  void on_bad_request(http2::StreamId, std::uint16_t, bool) override {}
  void on_response(http2::StreamId id, bool end) override;
  void on_bad_response(http2::StreamId id) override;
  void on_data(http2::StreamId id, std::span<const char> data) override;
  void on_trailers(http2::StreamId id, std::span<const http2::Field> fields) override;
  void on_end(http2::StreamId id) override;
  void on_sending(http2::StreamId id) override;
  void on_sent(http2::StreamId id) override;
  void on_progress(http2::StreamId id) override;
  void on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) override;
  void on_goaway() override { goaway_ = true; }
  void on_fed() override;
  void on_ending() override;

  Http2Stream* find(http2::StreamId id) noexcept;
  void resume_waiting(bool cancelled_only);
  Task<void> resume_cancelled();
  void arm_idle() noexcept;
  void limit_unacknowledged() noexcept;
  [[nodiscard]] bool used_up() const noexcept;

  Worker& worker_;
  routing::ProxySettings settings_;
  std::chrono::milliseconds connect_timeout_;
  std::chrono::milliseconds send_timeout_;
  UpstreamConnection connection_;
  http2::Session session_;
  Http2Link link_;
  State state_ = State::kConnecting;
  boost::unordered_flat_map<http2::StreamId, Http2Stream*> streams_;
  std::vector<Waiter*> waiting_;
  std::uint32_t opened_ = 0;
  bool used_ = false;
  bool failure_taken_ = false;
  bool cancelling_ = false;
  bool goaway_ = false;
};

}  // namespace cppx::proxy
