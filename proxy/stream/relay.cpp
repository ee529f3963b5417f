// The response on its way to the client, and the tunnel after 101.

#include "proxy/stream/stream.h"
#include "proxy/transport/fair_share.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {

Task<StreamEnd> Stream::relay_response() {
  const routing::ResponseHead& response = state_.response;
  ++worker_.counters().responses[response.status / 100U];
  status_ = response.status;
  if (response.status == 101) {
    const auto end = co_await tunnel();
    co_return end;
  }
  const BodyPart first = up_->next_body();
  note_received(first);
  // A client that is still sending when the response begins cannot be sure to be heard out, and is
  // not when all of the response is there.
  const bool heard_out = body_taken() || (upload_ == Upload::kRunning && !first.end());
  const ResponseChanges changes{
      .strict_transport_security = strict_transport_security(),
      .set_cookie = selector_.set_cookie(down_.origin().connection.tls, state_.set_cookie),
      .keep_alive = heard_out
  };
  const bool begun = co_await down_.write_response(response, changes, first);
  bool complete = begun;
  if (begun && !first.end()) complete = co_await relay_body(first);
  state_.access.try_ends();
  co_await stop_upload();
  down_.watch(nullptr);
  up_->finish(complete && body_taken());
  if (!complete) co_return StreamEnd::kAbort;
  co_return body_taken() ? StreamEnd::kComplete : StreamEnd::kLinger;
}

void Stream::note_received(const BodyPart& part) noexcept {
  state_.access.try_received(part.bytes);
  if (part.end() || part.failed()) state_.access.try_ends();
}

Task<bool> Stream::relay_body(BodyPart part) {
  FairShare share(worker_.loop());
  while (!part.end()) {
    if (part.failed()) co_return false;
    co_await share.step();
    if (upload_ != Upload::kRunning) up_->arm_read(selector_.timeouts().read);
    part = co_await up_->read_body();
    note_received(part);
    if (part.failed() && part.bytes == 0) co_return false;
    const bool written = co_await down_.write_body(part);
    if (!written) co_return false;
  }
  co_return true;
}

Task<StreamEnd> Stream::tunnel() {
  down_.watch(nullptr);
  up_->disarm_read();
  const BodyPart first = up_->next_body();
  note_received(first);
  // Extended CONNECT is accepted with 200 (RFC 8441 5).
  if (down_.origin().tunnel_only) status_ = 200;
  const ResponseChanges changes{
      .set_cookie = selector_.set_cookie(down_.origin().connection.tls, state_.set_cookie)
  };
  const bool begun = co_await down_.write_response(state_.response, changes, first);
  if (!begun) {
    state_.access.try_ends();
    co_return StreamEnd::kAbort;
  }
  tunnel_idle_.arm(selector_.timeouts().read);
  upload_ = Upload::kRunning;
  upload_ended_.reset();
  spawn(tunnel_up(), [this] { upload_ended_.set(); });
  co_await tunnel_down();
  co_await upload_ended_;
  down_.watch(nullptr);
  upload_ = Upload::kDone;
  state_.access.try_ends();
  tunnel_idle_.disarm();
  up_->finish(false);
  co_return StreamEnd::kComplete;
}

Task<void> Stream::tunnel_up() {
  FairShare share(worker_.loop());
  for (;;) {
    co_await share.step();
    const BodyPart part = co_await down_.read_body({});
    if (part.failed()) break;
    ++tunnel_writes_;
    const auto sent = co_await up_->send_body(part);
    --tunnel_writes_;
    tunnel_idle_.arm(selector_.timeouts().read);
    // A backend that hears nothing more may have said something before: whoever reads it finds out.
    if (sent != IoStatus::kOk && sent != IoStatus::kError) break;
    if (sent == IoStatus::kOk && !part.end()) continue;
    // The client may still listen, for as long as the backend likes.
    down_.watch_ended(this);
    co_return;
  }
  end_tunnel();
}

Task<void> Stream::tunnel_down() {
  FairShare share(worker_.loop());
  for (;;) {
    co_await share.step();
    const BodyPart part = co_await up_->read_body();
    state_.access.try_received(part.bytes);
    if (part.failed()) break;
    ++tunnel_writes_;
    const bool written = co_await down_.write_body(part);
    --tunnel_writes_;
    tunnel_idle_.arm(selector_.timeouts().read);
    if (!written) break;
    if (part.end()) co_return;
  }
  end_tunnel();
}

void Stream::end_tunnel() noexcept {
  // Timed out, reset, or nobody reads any more: both directions end.
  down_.cancel();
  up_->cancel();
}

}  // namespace cppx::proxy
