#pragma once

#include <cstddef>
#include <string_view>

#include "proxy/stream/stream_state.h"
#include "proxy/upstream/upstream_connection.h"
#include "proxy/upstream/upstream_request.h"
#include "proxy/worker/buffer_pool.h"
#include "routing/settings.h"

namespace cppx::proxy {

class Worker;

/// One try over HTTP/1.1: a connection of its own for as long as it lasts.
class Http1Upstream final : public UpstreamRequest {
 public:
  /// `settings` and `timeouts` must outlive the request.
  Http1Upstream(
      Worker& worker, StreamState& state, const routing::ProxySettings& settings,
      const routing::UpstreamTimeouts& timeouts
  );

  Task<IoStatus> connect(const UpstreamKey& key, bool may_reuse) override;
  Task<IoStatus> send_request(
      const routing::RequestHead& request, const ForwardedInfo& forwarded, const BodyPart& first
  ) override;
  Task<IoStatus> send_body(const BodyPart& part) override;
  bool begun() const noexcept override { return sent_bytes_ != 0; }
  void cancel_send() noexcept override { transport().cancel(Direction::kWrite); }
  bool untouched() noexcept override;
  Task<HeadStatus> read_head(routing::ResponseHead& response) override;
  BodyPart next_body() override;
  Task<BodyPart> read_body() override;
  void arm_read(Duration after) noexcept override { transport().arm_read(after); }
  void disarm_read() noexcept override { transport().disarm_read(); }
  void cancel() noexcept override {
    if (connection_) transport().cancel();
  }
  void finish(bool complete) noexcept override;

 private:
  [[nodiscard]] Transport& transport() noexcept { return connection_->transport(); }
  [[nodiscard]] std::string_view unread() const noexcept {
    return {input_.data() + begin_, end_ - begin_};
  }
  Task<IoStatus> send_framed(std::string_view head, const BodyPart& part);
  /// Room for more of a head; false when it is as long as allowed.
  bool grow_input();
  void start_body(const routing::ResponseHead& response);

  Worker& worker_;
  StreamState& state_;
  const routing::ProxySettings& settings_;
  const routing::UpstreamTimeouts& timeouts_;
  UpstreamPtr connection_;
  Buffer input_;  // received: [begin_, end_) is not used yet
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t sent_bytes_ = 0;
  bool chunked_ = false;
  bool sent_end_ = false;
  bool received_end_ = false;  // of a body that ends with the connection
  bool keep_alive_ = false;    // the backend's word about its connection
  bool raw_ = false;           // after 101: the end of the body is the end of our side
  bool reset_ = false;         // the connection was reset without having been ended before
};

}  // namespace cppx::proxy
