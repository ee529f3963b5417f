#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "proxy/codec/http2/session.h"
#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"
#include "proxy/stream/http2/http2_link.h"
#include "proxy/worker/local_snapshot.h"
#include "proxy/worker/timer_wheel.h"
#include "routing/settings.h"

namespace cppx::proxy {

class Worker;

/// A client's connection once it speaks HTTP/2: a Stream for each request, side by side.
class Http2Server final : private http2::SessionEvents, private Http2LinkOwner {
 public:
  /// `settings` are those of the connection: windows and limits of its requests.
  Http2Server(
      Worker& worker, Downstream& downstream, std::shared_ptr<const routing::ProxySettings> settings
  );
  Http2Server(const Http2Server&) = delete;
  Http2Server& operator=(const Http2Server&) = delete;
  ~Http2Server();

  /// Serves until the connection is over. What has been read of it already is in downstream.
  Task<void> serve();

  /// No new streams; ends when those under way have ended.
  void drain() noexcept;
  /// serve() ends soon.
  void cut() noexcept;

 private:
  struct Exchange;
  /// Between "no new streams, please" and "none any more": what was on its way is still served.
  struct GoAway final : Deadline {
    GoAway(TimerWheel& wheel, Http2Server& owner) noexcept : Deadline(wheel), server(owner) {}
    void expired() override;
    Http2Server& server;
  };

  void on_request(http2::StreamId id, bool end) override;
  void on_bad_request(http2::StreamId id, std::uint16_t status, bool head_method) override;
  void on_response(http2::StreamId, bool) override {}
  void on_data(http2::StreamId id, std::span<const char> data) override;
  void on_trailers(http2::StreamId id, std::span<const http2::Field> fields) override;
  void on_end(http2::StreamId id) override;
  void on_sending(http2::StreamId) override {}
  void on_sent(http2::StreamId id) override;
  void on_progress(http2::StreamId id) override;
  void on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) override;
  void on_goaway() override {}
  void on_fed() override;

  Exchange* find(http2::StreamId id) noexcept;
  Exchange& add(http2::StreamId id);
  void start(Exchange& exchange);
  Task<void> run(Exchange& exchange);
  void end(Exchange& exchange);
  void cut_streams();

  Worker& worker_;
  Downstream& downstream_;
  std::shared_ptr<const routing::ProxySettings> keep_settings_;
  const routing::ProxySettings& settings_;
  http2::Session session_;
  Http2Link link_;
  boost::unordered_flat_map<http2::StreamId, std::unique_ptr<Exchange>> exchanges_;
  std::vector<http2::StreamId> starting_;
  Event all_ended_;
  GoAway goaway_;
  bool no_more_ = false;  // the client has been told to open no more streams
};

}  // namespace cppx::proxy
