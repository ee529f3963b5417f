#pragma once

#include <list>

#include "proxy/stream/http2/http2_client.h"

namespace cppx::proxy {

class Worker;

/// A worker's HTTP/2 connections to backends. One is used for as many streams as the backend takes
/// at once; only then another is made. Outlives snapshots.
class Http2Pool {
 public:
  explicit Http2Pool(Worker& worker) noexcept : worker_(worker) {}
  Http2Pool(const Http2Pool&) = delete;
  Http2Pool& operator=(const Http2Pool&) = delete;

  /// A connection that takes a stream, or is being made. Good until the stream, or the wait, has
  /// been released and sweep() has run.
  Http2Client& take(
      const UpstreamKey& key, const routing::ProxySettings& settings,
      const routing::UpstreamTimeouts& timeouts
  );

  /// No more streams; all_ended() soon.
  void close_all();
  [[nodiscard]] bool all_ended();

 private:
  struct Entry {
    Entry(
        Worker& worker, const UpstreamKey& k, const routing::ProxySettings& settings,
        const routing::UpstreamTimeouts& timeouts
    )
        : key(k), client(worker, k, settings, timeouts) {}
    UpstreamKey key;
    Http2Client client;
    bool ended = false;  // its coroutine is over
  };

  void sweep();

  Worker& worker_;
  std::list<Entry> clients_;
  bool closing_ = false;
};

}  // namespace cppx::proxy
