#pragma once

#include <optional>

#include "proxy/stream/http2/http2_client.h"
#include "proxy/stream/http2/http2_stream.h"
#include "proxy/stream/stream_state.h"
#include "proxy/upstream/upstream_connection.h"
#include "proxy/upstream/upstream_request.h"
#include "proxy/worker/timer_wheel.h"
#include "routing/settings.h"

namespace cppx::proxy {

class Worker;

/// One try over HTTP/2: a stream of a connection that it shares with others.
class Http2Upstream final : public UpstreamRequest {
 public:
  /// `settings` and `timeouts` must outlive the request.
  Http2Upstream(
      Worker& worker, StreamState& state, const routing::ProxySettings& settings,
      const routing::UpstreamTimeouts& timeouts
  );
  ~Http2Upstream() override;

  Task<IoStatus> connect(const UpstreamKey& key, bool may_reuse) override;
  Task<IoStatus> send_request(
      const routing::RequestHead& request, const ForwardedInfo& forwarded, const BodyPart& first
  ) override;
  Task<IoStatus> finish_sending() override { return stream_->finish_sending(); }
  Task<IoStatus> send_body(const BodyPart& part) override;
  bool begun() const noexcept override { return opened_; }
  bool went_stale() noexcept override;
  bool fails_with_new_connection() noexcept override;
  void cancel_send() noexcept override { stream_->cancel(Direction::kWrite); }
  bool untouched() noexcept override { return !opened_ || stream_->refused(); }
  Task<HeadStatus> read_head(routing::ResponseHead& response) override;
  BodyPart next_body() override { return stream_->next_body(); }
  Task<BodyPart> read_body() override { return stream_->read_body(); }
  void arm_read(Duration after) noexcept override {
    if (stream_) stream_->arm_read(after);
  }
  void disarm_read() noexcept override {
    if (stream_) stream_->disarm_read();
  }
  void cancel() noexcept override;
  void finish(bool complete) noexcept override;

 private:
  IoStatus open(const routing::RequestHead& request, const ForwardedInfo& forwarded, bool end);
  /// Waits for a connection in the making.
  struct ConnectWait;
  /// Where the one for whom it is made has another patience.
  struct Impatience final : Deadline {
    Impatience(TimerWheel& wheel, Http2Upstream& owner) noexcept : Deadline(wheel), up(owner) {}
    void expired() override;
    Http2Upstream& up;
    bool over = false;
  };

  Worker& worker_;
  StreamState& state_;
  const routing::ProxySettings& settings_;
  const routing::UpstreamTimeouts& timeouts_;
  Http2Client* client_ = nullptr;
  std::optional<Http2Stream> stream_;
  Http2Client::Waiter waiter_;
  Impatience impatience_;
  bool opened_ = false;
  bool first_ = false;  // on its connection, or to hear that there is none
};

}  // namespace cppx::proxy
