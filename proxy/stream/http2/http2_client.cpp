#include "proxy/stream/http2/http2_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

/// A path that loses packets for a while is none that is gone.
constexpr std::chrono::milliseconds kLeastUnacknowledged = std::chrono::seconds(30);
constexpr std::chrono::milliseconds kMostUnacknowledged = std::chrono::hours(24);
// Interim heads that nobody has asked for yet: a backend that sends more has gone wrong.
constexpr std::size_t kMostHeads = 32;

http2::SessionOptions client_options(const routing::ProxySettings& settings) noexcept {
  return {
      .stream_window_bytes = Http2Stream::kWindow,
      // Streams are those of many clients: who reads slowly must not take the room of the others.
      // What may come is bounded by the number of streams.
      .connection_window_bytes = 0x7fffffff,
      .max_head_bytes = settings.proxy_header_bytes,
      .connect_protocol = false,
  };
}

Http2Client::State failed_state(IoStatus connected) noexcept {
  if (connected == IoStatus::kTimeout) return Http2Client::State::kTimedOut;
  return connected == IoStatus::kCancelled ? Http2Client::State::kNoSocket
                                           : Http2Client::State::kFailed;
}

}  // namespace

Http2Client::Http2Client(
    Worker& worker, const UpstreamKey& key, const routing::ProxySettings& settings,
    const routing::UpstreamTimeouts& timeouts
)
    : worker_(worker),
      settings_(settings),
      connect_timeout_(timeouts.connect),
      send_timeout_(timeouts.send),
      connection_(worker.loop(), worker.wheel(), key),
      session_(http2::Role::kClient, client_options(settings), *this),
      link_(worker, connection_.transport(), session_, *this, timeouts.send) {}

Task<void> Http2Client::run() {
  ++worker_.counters().upstream_connects;
  const auto connected = co_await connection_.connect(
      worker_.open_upstream_socket(connection_.key()), connect_timeout_, worker_.upstream_tls(),
      tls::ClientAlpn::kHttp2
  );
  if (connected != IoStatus::kOk) {
    ++worker_.counters().upstream_connect_failures;
    state_ = failed_state(connected);
    failure_taken_ = failure_taken_ || state_ == State::kNoSocket;
    resume_waiting(false);
    co_return;
  }
  limit_unacknowledged();
  // The connection may still lie in the queue of a backend that ends: nothing is asked of it before
  // its SETTINGS have come, so that what then fails has failed to connect.
  connection_.transport().arm_read(connect_timeout_);
  co_await link_.run({});
  const bool heard = state_ != State::kConnecting;
  const State unheard = link_.timed_out() ? State::kTimedOut : State::kFailed;
  state_ = heard ? State::kEnded : unheard;
  if (!heard) ++worker_.counters().upstream_connect_failures;
  resume_waiting(false);
  // Whatever is still open gets no answer any more; what the backend had read nothing of may be
  // sent again.
  const std::uint64_t read = link_.read_at_most();
  for (const auto& [id, stream] : streams_)
    stream->on_closed(http2::kInternalError, stream->sent_before() >= read);
  link_.resume_woken();
  connection_.transport().close();
}

// Requests that wait for their answers write nothing: they would wait, and new ones join them.
void Http2Client::limit_unacknowledged() noexcept {
  connection_.transport().limit_unacknowledged(
      std::clamp(send_timeout_, kLeastUnacknowledged, kMostUnacknowledged)
  );
}

void Http2Client::allow(const routing::UpstreamTimeouts& timeouts) noexcept {
  if (timeouts.send <= send_timeout_) return;
  send_timeout_ = timeouts.send;
  link_.allow_send_timeout(send_timeout_);
  if (state_ == State::kOpen) limit_unacknowledged();
}

void Http2Client::close_idle() noexcept {
  state_ = State::kEnded;
  connection_.transport().close();
}

// What has not been written will not be: it may be sent again elsewhere.
void Http2Client::on_ending() {
  for (const auto& [id, stream] : streams_) {
    if (!session_.is_unsent(id)) continue;
    session_.reset(id, http2::kCancel);
    stream->on_closed(http2::kRefusedStream, true);
  }
}

void Http2Client::on_fed() {
  if (state_ != State::kConnecting || !session_.peer_settings_came()) return;
  state_ = State::kOpen;
  arm_idle();
  resume_waiting(false);
}

void Http2Client::cut() noexcept { connection_.transport().cancel(); }

bool Http2Client::takes_streams(std::uint32_t expected) const noexcept {
  if (state_ == State::kConnecting) return waiting_.size() < expected;
  return takes_streams_now();
}

bool Http2Client::takes_streams_now() const noexcept {
  return alive() && !goaway_ && session_.can_open_stream() && !used_up();
}

bool Http2Client::used_up() const noexcept {
  return used_ && opened_ >= settings_.upstream_keepalive_requests;
}

void Http2Client::cancel(Waiter& waiter) {
  waiter.cancelled = true;
  if (cancelling_) return;
  cancelling_ = true;
  spawn(resume_cancelled(), [this] { cancelling_ = false; });
}

Task<void> Http2Client::resume_cancelled() {
  co_await worker_.yield();
  resume_waiting(true);
}

void Http2Client::resume_waiting(bool cancelled_only) {
  // One that goes on may add or end the waits of others.
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i] == nullptr || (cancelled_only && !waiting_[i]->cancelled)) continue;
    std::exchange(waiting_[i], nullptr)->coroutine.resume();
  }
  std::erase(waiting_, nullptr);
}

void Http2Client::arm_idle() noexcept {
  if (!streams_.empty()) {
    connection_.transport().disarm_read();
    return;
  }
  connection_.transport().arm_read(settings_.upstream_keepalive_timeout);
  if (!used_up()) return;
  // Ends when what is to be said has been written.
  session_.goaway();
  link_.flush();
}

bool Http2Client::open(Http2Stream& stream, std::span<const http2::Field> fields, bool end) {
  if (!takes_streams_now()) return false;
  const auto id = session_.submit_request(fields, end);
  if (!id) return false;
  stream.open(*id);
  streams_.emplace(*id, &stream);
  used_ = true;
  ++opened_;
  arm_idle();
  link_.flush();
  return true;
}

void Http2Client::release(Http2Stream& stream, bool reset) {
  if (streams_.erase(stream.id()) == 0) return;
  // What is not sent yet lies in the memory of a request that is about to go.
  const bool whole = stream.sent_end() && stream.ended();
  if ((reset || !whole) && !stream.closed()) {
    session_.reset(stream.id(), http2::kCancel);
    link_.flush();
  }
  arm_idle();
}

Http2Stream* Http2Client::find(http2::StreamId id) noexcept {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void Http2Client::on_response(http2::StreamId id, bool end) {
  if (Http2Stream* stream = find(id)) {
    if (stream->heads() >= kMostHeads) {
      session_.reset(id, http2::kEnhanceYourCalm);
      return;
    }
    stream->on_head(session_.take_head(id));
    if (end) stream->on_end();
  }
}

void Http2Client::on_bad_response(http2::StreamId id) {
  if (Http2Stream* stream = find(id)) stream->on_bad_head();
}

void Http2Client::on_data(http2::StreamId id, std::span<const char> data) {
  if (Http2Stream* stream = find(id))
    stream->on_data(data);
  else
    session_.consume(id, data.size());
}

void Http2Client::on_trailers(http2::StreamId id, std::span<const http2::Field> fields) {
  if (Http2Stream* stream = find(id)) stream->on_trailers(fields);
}

void Http2Client::on_end(http2::StreamId id) {
  if (Http2Stream* stream = find(id)) stream->on_end();
}

void Http2Client::on_sending(http2::StreamId id) {
  if (Http2Stream* stream = find(id)) stream->on_sending(connection_.transport().sent_bytes());
}

void Http2Client::on_sent(http2::StreamId id) {
  if (Http2Stream* stream = find(id)) stream->on_sent();
}

void Http2Client::on_progress(http2::StreamId id) {
  if (Http2Stream* stream = find(id)) stream->on_progress();
}

void Http2Client::on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) {
  if (Http2Stream* stream = find(id)) stream->on_closed(error_code, refused);
}

}  // namespace cppx::proxy
