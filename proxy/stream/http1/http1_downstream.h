#pragma once

#include <cstddef>
#include <string_view>

#include "proxy/stream/downstream.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/stream/stream_state.h"
#include "proxy/worker/timer_wheel.h"
#include "routing/settings.h"

namespace cppx::proxy {

class Worker;

/// A request that came over HTTP/1.x. Its head has been read and validated, its body begins at
/// downstream.begin. After a 101 response the body goes on until close, both ways.
class Http1Downstream final : public DownstreamRequest {
 public:
  /// `settings` must outlive the request.
  Http1Downstream(
      Worker& worker, Downstream& downstream, StreamState& state,
      const routing::ProxySettings& settings
  );

  BodyAtHand body_at_hand() override;
  Task<BodyAtHand> wait_for_body(Duration patience) override;
  Task<bool> read_out() override;
  void rewind_body() override;
  bool body_untouched() const noexcept override { return state_.downstream.body.untouched(); }
  BodyPart next_body() override;
  Task<BodyPart> read_body(Duration idle) override;
  void cancel_read() noexcept override { transport().cancel(Direction::kRead); }
  void resume_read() noexcept override { transport().resume(Direction::kRead); }
  void watch(ClientWatcher* watcher) noexcept override;
  void watch_ended(ClientWatcher* watcher) noexcept override;
  Task<bool> write_continue() override;
  Task<bool> write_interim(const routing::ResponseHead& response) override;
  Task<bool> write_response(
      const routing::ResponseHead& response, const ResponseChanges& changes, const BodyPart& first
  ) override;
  Task<bool> write_body(const BodyPart& part) override;
  Task<bool> write_local_reply(const LocalReply& reply, bool body_read) override;
  void cancel() noexcept override { transport().cancel(); }

 private:
  /// Looks once a second whether the client is still there while only the backend is waited for.
  struct AbortCheck final : Deadline {
    AbortCheck(TimerWheel& wheel, Http1Downstream& owner) noexcept
        : Deadline(wheel), request(owner) {}
    void expired() override { request.check_client(); }
    Http1Downstream& request;
  };
  void check_client() noexcept;
  [[nodiscard]] bool client_left() noexcept;

  [[nodiscard]] Transport& transport() noexcept { return downstream_.transport; }
  [[nodiscard]] bool may_keep_alive() const noexcept;
  Task<bool> write_framed(std::string_view head, const BodyPart& part);
  Task<bool> write_text(std::string_view text);

  Worker& worker_;
  Downstream& downstream_;
  StreamState& state_;
  const routing::ProxySettings& settings_;
  const std::size_t body_begin_;  // in downstream_.input
  ClientWatcher* watcher_ = nullptr;
  bool client_ended_ = false;  // as the watcher knows
  bool chunked_ = false;
  bool raw_ = false;  // after 101: the end of the body is the end of our side
  AbortCheck abort_check_;
};

}  // namespace cppx::proxy
