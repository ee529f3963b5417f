#include "proxy/stream/http1/http1_downstream.h"

#include "proxy/codec/http1/head_writer.h"
#include "proxy/transport/fair_share.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

using routing::BodyFraming;

constexpr std::chrono::seconds kAbortCheckInterval{1};
// What a client still sends though it has its answer: for so long, and so much, it is heard out.
constexpr std::chrono::seconds kReadOutTime{2};
constexpr std::size_t kReadOutBytes = 1024 * 1024;

}  // namespace

Http1Downstream::Http1Downstream(
    Worker& worker, Downstream& downstream, StreamState& state,
    const routing::ProxySettings& settings
)
    : worker_(worker),
      downstream_(downstream),
      state_(state),
      settings_(settings),
      body_begin_(downstream.begin),
      abort_check_(worker.wheel(), *this) {
  origin_ = {
      .listener = downstream.listener.config().name,
      .connection = downstream.origin(),
      .socket = downstream.transport.native_handle(),
      .protocol = state.request.minor_version == 0 ? kHttp10 : kHttp11,
      .side = &downstream,
  };
  sizes_.request = body_begin_;
}

void Http1Downstream::rewind_body() {
  state_.downstream.body.start(
      state_.request.framing, state_.request.content_length, &state_.request.fields
  );
  downstream_.begin = body_begin_;
  sizes_.request = body_begin_;
}

BodyPart Http1Downstream::next_body() {
  const std::size_t before = downstream_.begin;
  const BodyPart part = state_.downstream.next_part(downstream_.unread(), downstream_.begin);
  if (!raw_) sizes_.request += downstream_.begin - before;
  return part;
}

BodyAtHand Http1Downstream::body_at_hand() {
  rewind_body();
  for (;;) {
    const BodyPart part = next_body();
    if (part.status == BodyPart::Status::kMore) continue;
    if (part.end()) return BodyAtHand::kComplete;
    if (part.failed()) return BodyAtHand::kBad;
    // What lies in the socket already is taken as well: a request that is whole can be sent again,
    // and so may go on a connection that has been idle.
    if (downstream_.free_space().empty()) return BodyAtHand::kIncomplete;
    const auto got = transport().try_read(downstream_.free_space());
    if (!got.ok()) return BodyAtHand::kIncomplete;
    downstream_.end += got.bytes;
  }
}

Task<BodyAtHand> Http1Downstream::wait_for_body(Duration patience) {
  auto found = BodyAtHand::kIncomplete;
  const std::size_t room = downstream_.input.size() - body_begin_;
  if (state_.request.framing != BodyFraming::kLength || state_.request.content_length > room)
    co_return found;
  transport().arm_read(patience);
  while (found == BodyAtHand::kIncomplete) {
    const auto got = co_await transport().read_some(downstream_.free_space());
    if (got.status == IoStatus::kTimeout) break;
    if (got.ok()) downstream_.end += got.bytes;
    found = got.ok() ? body_at_hand() : BodyAtHand::kGone;
  }
  transport().disarm_read();
  co_return found;
}

Task<bool> Http1Downstream::read_out() {
  transport().arm_read(kReadOutTime);
  bool whole = false;
  FairShare share(worker_.loop());
  for (std::size_t bytes = 0; bytes < kReadOutBytes && !whole;) {
    co_await share.step();
    const BodyPart part = next_body();
    bytes += part.bytes;
    whole = part.end();
    if (part.failed()) break;
    if (whole || part.bytes != 0 || part.status == BodyPart::Status::kMore) continue;
    downstream_.begin = downstream_.end = body_begin_;
    const auto got = co_await transport().read_some(downstream_.free_space());
    if (!got.ok()) break;
    downstream_.end += got.bytes;
  }
  transport().disarm_read();
  co_return whole;
}

Task<BodyPart> Http1Downstream::read_body(Duration idle) {
  for (;;) {
    const BodyPart part = next_body();
    if (part.bytes != 0 || part.status != BodyPart::Status::kWait) co_return part;
    // All that came has been taken: the room behind the head is free again.
    downstream_.begin = downstream_.end = body_begin_;
    transport().arm_read(idle);
    const auto got = co_await transport().read_some(downstream_.free_space());
    transport().disarm_read();
    if (got.status == IoStatus::kTimeout) co_return BodyPart{.status = BodyPart::Status::kTimeout};
    if (got.status == IoStatus::kEof && raw_) co_return BodyPart{.status = BodyPart::Status::kEnd};
    if (!got.ok()) co_return BodyPart{.status = BodyPart::Status::kGone};
    downstream_.end += got.bytes;
  }
}

void Http1Downstream::watch(ClientWatcher* watcher) noexcept {
  watcher_ = watcher;
  client_ended_ = false;
  if (watcher != nullptr)
    abort_check_.arm(kAbortCheckInterval);
  else
    abort_check_.disarm();
}

void Http1Downstream::watch_ended(ClientWatcher* watcher) noexcept {
  watch(watcher);
  client_ended_ = true;
}

void Http1Downstream::check_client() noexcept {
  if (client_left())
    watcher_->on_client_gone();
  else
    abort_check_.arm(kAbortCheckInterval);
}

bool Http1Downstream::client_left() noexcept {
  if (client_ended_) return transport().broken();
  // With TLS what is there before the end may be no more than its close_notify.
  if (transport().is_tls() && transport().peer_ended()) return true;
  const auto seen = transport().peek().status;
  return seen == IoStatus::kEof || seen == IoStatus::kError;
}

bool Http1Downstream::may_keep_alive() const noexcept {
  return state_.request.keep_alive && settings_.keep_alive.count() > 0 && !worker_.winding_down() &&
         downstream_.requests < settings_.keep_alive_requests;
}

Task<bool> Http1Downstream::write_text(std::string_view text) {
  iovec piece{
      .iov_base = const_cast<char*>(text.data()), .iov_len = text.size()
  };  // NOLINT: only read
  const auto written = co_await transport().write_all({&piece, 1}, settings_.client_send_timeout);
  sizes_.sent += written.bytes;
  co_return written.ok();
}

Task<bool> Http1Downstream::write_continue() {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  sizes_.sent_head += kContinue.size();
  return write_text(kContinue);
}

Task<bool> Http1Downstream::write_interim(const routing::ResponseHead& response) {
  if (state_.request.minor_version == 0) co_return true;  // HTTP/1.0 knows no 1xx (RFC 9110 15.2)
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_interim_head(out, response);
  sizes_.sent_head += out.text().size();
  const bool written = co_await write_text(out.text());
  co_return written;
}

Task<bool> Http1Downstream::write_framed(std::string_view head, const BodyPart& part) {
  const std::span<iovec> pieces = state_.downstream.framer.frame(
      head,
      {.pieces = part.pieces, .bytes = part.bytes, .end = part.end(), .trailers = part.trailers},
      chunked_
  );
  sizes_.sent_head += head.size();
  const auto written = co_await transport().write_all(pieces, settings_.client_send_timeout);
  sizes_.sent += written.bytes;
  if (written.ok() && raw_ && part.end()) transport().shutdown_send();
  co_return written.ok();
}

Task<bool> Http1Downstream::write_response(
    const routing::ResponseHead& response, const ResponseChanges& changes, const BodyPart& first
) {
  const bool http10 = state_.request.minor_version == 0;
  const bool unframed =
      response.framing == BodyFraming::kChunked || response.framing == BodyFraming::kUntilClose;
  const bool upgrade = response.status == 101;
  raw_ = upgrade;
  chunked_ = unframed && !http10 && !upgrade;
  keep_alive_ = may_keep_alive() && changes.keep_alive && !(unframed && http10) && !upgrade;
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_response_head(
      out, response,
      {.client_minor_version = state_.request.minor_version,
       .chunked = chunked_,
       .keep_alive = keep_alive_,
       .upgrade = upgrade,
       .date = worker_.date(),
       .strict_transport_security = changes.strict_transport_security,
       .set_cookie = changes.set_cookie}
  );
  if (!out.ok()) co_return false;
  if (upgrade) state_.downstream.body.start(BodyFraming::kUntilClose, 0);
  const bool written = co_await write_framed(out.text(), first);
  co_return written;
}

Task<bool> Http1Downstream::write_body(const BodyPart& part) { return write_framed({}, part); }

Task<bool> Http1Downstream::write_local_reply(const LocalReply& reply, bool body_read) {
  keep_alive_ = body_read && may_keep_alive() && reply.status != 400 && reply.status != 413;
  Buffer memory = worker_.buffers().take_large();
  const auto text = local_reply_text(
      {memory.data(), memory.size()}, reply,
      {.date = worker_.date(), .keep_alive = keep_alive_, .head_method = state_.request.head_method}
  );
  sizes_.sent_head += head_bytes(text);
  const bool written = co_await write_text(text);
  co_return written;
}

}  // namespace cppx::proxy
