#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "proxy/stream/http2/http2_client.h"
#include "proxy/worker/timer_wheel.h"

namespace cppx::proxy {

class Worker;

/// A worker's HTTP/2 connections to backends. One is used for as many streams as the backend takes
/// at once; only then another is made. Outlives snapshots.
class Http2Pool {
 public:
  Http2Pool(Worker& worker, TimerWheel& wheel) noexcept : worker_(worker), sweep_(wheel, *this) {}
  Http2Pool(const Http2Pool&) = delete;
  Http2Pool& operator=(const Http2Pool&) = delete;

  /// A connection that takes a stream, or is being made. Good until the stream, or the wait, has
  /// been released.
  Http2Client& take(
      const UpstreamKey& key, const routing::ProxySettings& settings,
      const routing::UpstreamTimeouts& timeouts
  );

  /// Makes room: closes the connections that nobody uses now.
  void close_idle();
  /// Closes one of them; false when there is none.
  bool close_an_idle_one();
  /// No more streams; all_ended() soon.
  void close_all();
  [[nodiscard]] bool all_ended();

 private:
  struct Entry {
    Entry(
        Worker& worker, const UpstreamKey& key, const routing::ProxySettings& settings,
        const routing::UpstreamTimeouts& timeouts
    )
        : client(worker, key, settings, timeouts) {}
    Http2Client client;
    bool ended = false;  // its coroutine is over
  };
  /// The connections to one backend.
  struct Group {
    // Until a backend has said how many streams it takes: less than most do (RFC 9113 6.5.2).
    static constexpr std::uint32_t kExpectedStreams = 100;
    std::list<Entry> clients;
    std::uint32_t expected_streams = kExpectedStreams;  // of a connection that is being made

    void sweep();
  };
  struct Sweep final : Deadline {
    Sweep(TimerWheel& wheel, Http2Pool& owner) noexcept : Deadline(wheel), pool(owner) {}
    void expired() override { pool.sweep(); }
    Http2Pool& pool;
  };

  void sweep();

  Worker& worker_;
  std::unordered_map<UpstreamKey, Group, UpstreamKeyHash> groups_;
  Sweep sweep_;
  bool closing_ = false;
};

}  // namespace cppx::proxy
