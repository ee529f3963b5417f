#include "proxy/stream/http2/http2_upstream.h"

#include <utility>

#include "proxy/codec/http1/reason.h"
#include "proxy/codec/http2/head_writer.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

// Waited for in a row by one request.
constexpr int kMostConnections = 16;

}  // namespace

struct Http2Upstream::ConnectWait {
  Http2Client& client;
  Http2Client::Waiter& waiter;
  [[nodiscard]] bool await_ready() const noexcept {
    return waiter.cancelled || client.state() != Http2Client::State::kConnecting;
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    waiter.coroutine = coroutine;
    client.wait(waiter);
  }
  void await_resume() noexcept { waiter.coroutine = nullptr; }
};

Http2Upstream::Http2Upstream(
    Worker& worker, StreamState& state, const routing::ProxySettings& settings,
    const routing::UpstreamTimeouts& timeouts
)
    : worker_(worker),
      state_(state),
      settings_(settings),
      timeouts_(timeouts),
      impatience_(worker.wheel(), *this) {}

Http2Upstream::~Http2Upstream() { finish(false); }

Task<IoStatus> Http2Upstream::connect(const UpstreamKey& key, bool /*may_reuse*/) {
  // Others may have waited too, for more streams than the backend then takes on one connection.
  for (int turn = 0; turn < kMostConnections; ++turn) {
    client_ = &worker_.http2_upstreams().take(key, settings_, timeouts_);
    // The connection's own deadline ends its making, and with it all waits for it that have no
    // other one.
    const bool own = timeouts_.connect == client_->connect_timeout();
    const bool patient = timeouts_.connect > client_->connect_timeout();
    if (!own && !impatience_.armed()) impatience_.arm(timeouts_.connect);
    co_await ConnectWait{*client_, waiter_};
    reused_ = client_->used();
    if (impatience_.over) {
      first_ = client_->take_failure();
      co_return IoStatus::kTimeout;
    }
    if (waiter_.cancelled) co_return IoStatus::kCancelled;
    if (patient && client_->state() == Http2Client::State::kTimedOut) continue;
    if (client_->state() != Http2Client::State::kOpen || client_->takes_streams_now()) break;
    // One that takes none from the beginning has no use for more connections.
    if (reused_ && client_->max_streams() != 0) continue;
    first_ = client_->take_failure();
    co_return IoStatus::kError;
  }
  if (reused_) ++worker_.counters().upstream_reuses;
  const bool made = client_->state() == Http2Client::State::kOpen;
  first_ = made ? !reused_ : client_->take_failure();
  if (client_->state() == Http2Client::State::kTimedOut) co_return IoStatus::kTimeout;
  if (client_->state() == Http2Client::State::kNoSocket) co_return IoStatus::kCancelled;
  if (!made) co_return IoStatus::kError;
  stream_.emplace(client_->link());
  co_return IoStatus::kOk;
}

Task<IoStatus> Http2Upstream::send_request(
    const routing::RequestHead& request, const ForwardedInfo& forwarded, const BodyPart& first
) {
  const bool end = first.end() && first.bytes == 0 && first.trailers.empty();
  const IoStatus opened = open(request, forwarded, end);
  if (opened != IoStatus::kOk) co_return opened;
  if (end) {
    stream_->message_ended();
    co_return IoStatus::kOk;
  }
  const auto sent = co_await stream_->send_until_head(first, timeouts_.send);
  co_return sent;
}

IoStatus Http2Upstream::open(
    const routing::RequestHead& request, const ForwardedInfo& forwarded, bool end
) {
  Buffer memory = worker_.buffers().take_large();
  http2::FieldList fields({memory.data(), memory.size()});
  http2::write_request_head(fields, request, forwarded);
  if (!fields.ok()) return IoStatus::kCancelled;
  opened_ = client_->open(*stream_, fields.all(), end);
  return opened_ ? IoStatus::kOk : IoStatus::kError;
}

void Http2Upstream::Impatience::expired() {
  if (!up.waiter_.coroutine) return;
  over = true;
  up.client_->cancel(up.waiter_);
}

bool Http2Upstream::went_stale() noexcept {
  // A stream that the backend resets leaves its connection as it was.
  return reused_ && client_ != nullptr && client_->on_its_way_out();
}

bool Http2Upstream::fails_with_new_connection() noexcept {
  return first_ && client_ != nullptr && !client_->alive();
}

Task<IoStatus> Http2Upstream::send_body(const BodyPart& part) {
  return stream_->send(part, timeouts_.send);
}

Task<UpstreamRequest::HeadStatus> Http2Upstream::read_head(routing::ResponseHead& response) {
  if (!opened_) co_return HeadStatus::kNoResponse;
  const auto status = co_await stream_->next_head();
  if (status == IoStatus::kTimeout) co_return HeadStatus::kTimeout;
  if (status != IoStatus::kOk)
    co_return stream_->malformed() ? HeadStatus::kBadResponse : HeadStatus::kNoResponse;
  stream_->head().fill(response);
  // HTTP/2 has none (RFC 9113 8.3.2), and some clients of HTTP/1.1 look for one.
  response.reason = http1::registered_reason(response.status);
  // No body, and it need not say so: over HTTP/1.1 it has to.
  const bool may_have_body =
      response.status >= 200 && response.status != 204 && response.status != 304;
  if (stream_->head().ended && may_have_body && !state_.request.head_method) {
    response.has_content_length = true;
    response.content_length = 0;
  }
  co_return HeadStatus::kHead;
}

void Http2Upstream::cancel() noexcept {
  if (waiter_.coroutine) {
    client_->cancel(waiter_);
    return;
  }
  if (!stream_) return;
  stream_->cancel(Direction::kWrite);
  stream_->cancel(Direction::kRead);
}

void Http2Upstream::finish(bool complete) noexcept {
  if (stream_ && opened_) client_->release(*stream_, !complete);
  opened_ = false;
  stream_.reset();
  client_ = nullptr;
}

}  // namespace cppx::proxy
