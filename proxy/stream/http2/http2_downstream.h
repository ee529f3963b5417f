#pragma once

#include <span>
#include <string_view>

#include "proxy/stream/downstream.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/stream/http2/http2_link.h"
#include "proxy/stream/http2/http2_stream.h"
#include "proxy/stream/stream_state.h"
#include "routing/settings.h"

namespace cppx::proxy {

/// A request that came over HTTP/2: one stream of its connection. Its head is in state.request. A
/// WebSocket (extended CONNECT, RFC 8441) is a request with upgrade set; 101 becomes 200, and DATA
/// goes both ways.
class Http2Downstream final : public DownstreamRequest {
 public:
  /// `settings` must outlive the request.
  Http2Downstream(
      Http2Link& link, Downstream& connection, Http2Stream& stream, StreamState& state,
      const routing::ProxySettings& settings
  );

  BodyAtHand body_at_hand() override;
  Task<BodyAtHand> wait_for_body(Duration patience) override;
  // A stream that is reset costs the connection nothing.
  Task<bool> read_out() override { co_return false; }
  void rewind_body() override;
  bool body_untouched() const noexcept override { return stream_.untouched(); }
  BodyPart next_body() override;
  Task<BodyPart> read_body(Duration idle) override;
  void cancel_read() noexcept override { stream_.cancel(Direction::kRead); }
  void resume_read() noexcept override { stream_.resume_read(); }
  void watch(ClientWatcher* watcher) noexcept override { stream_.watch(watcher); }
  void watch_ended(ClientWatcher* watcher) noexcept override { stream_.watch(watcher); }
  Task<bool> write_continue() override;
  Task<bool> write_interim(const routing::ResponseHead& response) override;
  Task<bool> write_response(
      const routing::ResponseHead& response, const ResponseChanges& changes, const BodyPart& first
  ) override;
  Task<bool> write_body(const BodyPart& part) override;
  Task<bool> write_local_reply(const LocalReply& reply, bool body_read) override;
  void cancel() noexcept override;
  /// What was asked for is a tunnel, and the backend has agreed to it.
  [[nodiscard]] bool in_tunnel() const noexcept { return tunnel_; }

 private:
  bool submit_interim(const routing::ResponseHead& response);
  bool submit_response(
      const routing::ResponseHead& response, const ResponseChanges& changes, bool end
  );
  Task<bool> write_grpc_error(const LocalReply& reply);
  void count_head(std::span<const http2::Field> fields) noexcept;

  Http2Link& link_;
  Http2Stream& stream_;
  StreamState& state_;
  const routing::ProxySettings& settings_;
  bool tunnel_ = false;  // DATA is what goes through it
};

}  // namespace cppx::proxy
