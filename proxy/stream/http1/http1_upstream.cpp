#include "proxy/stream/http1/http1_upstream.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http1/head_writer.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {

using routing::BodyFraming;

Http1Upstream::Http1Upstream(
    Worker& worker, StreamState& state, const routing::ProxySettings& settings,
    const routing::UpstreamTimeouts& timeouts
)
    : worker_(worker), state_(state), settings_(settings), timeouts_(timeouts) {}

Task<IoStatus> Http1Upstream::connect(const UpstreamKey& key, bool may_reuse) {
  reused_ = false;
  const std::string_view begin{state_.proxy_header.data(), state_.proxy_header_bytes};
  if (may_reuse && begin.empty()) {
    connection_ = worker_.upstreams().take(key);
    if (connection_) {
      reused_ = true;
      ++worker_.counters().upstream_reuses;
      co_return IoStatus::kOk;
    }
  }
  Descriptor socket = worker_.open_upstream_socket(key);
  connection_ = std::make_unique<UpstreamConnection>(worker_.loop(), worker_.wheel(), key);
  connection_->beside_idle = worker_.upstreams().has_idle(key);
  ++worker_.counters().upstream_connects;
  const auto connected = co_await connection_->connect(
      std::move(socket), timeouts_.connect, worker_.upstream_tls(), tls::ClientAlpn::kHttp11, begin
  );
  if (connected != IoStatus::kOk) ++worker_.counters().upstream_connect_failures;
  co_return connected;
}

Task<IoStatus> Http1Upstream::send_request(
    const routing::RequestHead& request, const ForwardedInfo& forwarded, const BodyPart& first
) {
  sent_bytes_ = 0;
  reset_ = sent_end_ = received_end_ = raw_ = keep_alive_ = false;
  chunked_ = request.framing == BodyFraming::kChunked;
  ++connection_->requests;
  // The head came in at most 32 KiB and at most doubles (X-Original-*): it always fits.
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_request_head(out, request, forwarded);
  if (!out.ok()) co_return IoStatus::kCancelled;
  const auto sent = co_await send_framed(out.text(), first);
  co_return sent;
}

Task<IoStatus> Http1Upstream::send_framed(std::string_view head, const BodyPart& part) {
  const std::span<iovec> pieces = state_.upstream.framer.frame(
      head,
      {.pieces = part.pieces, .bytes = part.bytes, .end = part.end(), .trailers = part.trailers},
      chunked_
  );
  const auto written = co_await transport().write_all(pieces, timeouts_.send);
  sent_bytes_ += written.bytes;
  reset_ = reset_ || written.error == ECONNRESET;
  sent_end_ = written.ok() && part.end();
  if (sent_end_ && raw_) transport().shutdown_send();
  co_return written.status;
}

Task<IoStatus> Http1Upstream::send_body(const BodyPart& part) { return send_framed({}, part); }

bool Http1Upstream::untouched() noexcept {
  if (sent_bytes_ == 0) return true;
  // A backend that read the request and then reset the connection may not have acknowledged it yet.
  // One that had closed before the request came has sent its FIN first (the error is then another:
  // EPIPE).
  return !reset_ && connection_ && connection_->nothing_acknowledged(sent_bytes_);
}

bool Http1Upstream::grow_input() {
  if (end_ >= settings_.proxy_header_bytes || input_.size() == BufferPool::kLarge) return false;
  Buffer larger = worker_.buffers().take_large();
  std::memcpy(larger.data(), input_.data(), end_);
  input_ = std::move(larger);
  return true;
}

Task<UpstreamRequest::HeadStatus> Http1Upstream::read_head(routing::ResponseHead& response) {
  http1::HeadParser& parser = state_.upstream.parser;
  if (input_.empty()) input_ = worker_.buffers().take_small();
  // Behind interim heads: each may be as long as allowed.
  if (begin_ != 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  parser.reset();
  for (;;) {
    const auto status = parser.parse(unread());
    if (status == http1::HeadParser::Status::kDone) break;
    if (status != http1::HeadParser::Status::kNeedMore) co_return HeadStatus::kBadResponse;
    if (end_ == input_.size() && !grow_input()) co_return HeadStatus::kBadResponse;
    const auto got = co_await transport().read_some({input_.data() + end_, input_.size() - end_});
    if (got.status == IoStatus::kTimeout) co_return HeadStatus::kTimeout;
    reset_ = reset_ || got.error == ECONNRESET;
    if (!got.ok()) co_return HeadStatus::kNoResponse;
    end_ += got.bytes;
  }
  const std::string_view head = unread().substr(0, parser.head_bytes());
  if (head.size() > settings_.proxy_header_bytes ||
      !http1::validate_response(parser, head, state_.request.head_method, response))
    co_return HeadStatus::kBadResponse;
  begin_ += head.size();
  if (response.status == 101 || response.status >= 200) start_body(response);
  co_return HeadStatus::kHead;
}

void Http1Upstream::start_body(const routing::ResponseHead& response) {
  raw_ = response.status == 101;
  keep_alive_ = response.keep_alive && !raw_;
  if (raw_) {
    chunked_ = false;
    sent_end_ = false;  // that was the request's
    state_.upstream.body.start(BodyFraming::kUntilClose, 0);
  } else {
    state_.upstream.body.start_response(response.framing, response.content_length, response.fields);
  }
}

BodyPart Http1Upstream::next_body() { return state_.upstream.next_part(unread(), begin_); }

Task<BodyPart> Http1Upstream::read_body() {
  for (;;) {
    const BodyPart part = next_body();
    if (part.bytes != 0 || part.status != BodyPart::Status::kWait) co_return part;
    // Nothing of this buffer is needed any more, the head included: bulk moves in larger pieces.
    if (input_.size() < BufferPool::kLarge && end_ == input_.size())
      input_ = worker_.buffers().take_large();
    begin_ = end_ = 0;
    const auto got = co_await transport().read_some({input_.data(), input_.size()});
    // The socket tells of a reset only once: to whoever writes, and a reader then sees an end.
    if (got.status == IoStatus::kEof && !reset_ &&
        state_.upstream.body.at_close() == http1::BodyReader::Status::kEnd) {
      received_end_ = true;
      co_return BodyPart{.status = BodyPart::Status::kEnd};
    }
    if (got.status == IoStatus::kTimeout) co_return BodyPart{.status = BodyPart::Status::kTimeout};
    if (!got.ok()) co_return BodyPart{.status = BodyPart::Status::kGone};
    end_ = got.bytes;
  }
}

void Http1Upstream::finish(bool complete) noexcept {
  if (!connection_) return;
  transport().disarm_read();
  // A connection that was announced as one client's is no other's.
  const bool shareable = state_.proxy_header_bytes == 0;
  if (complete && sent_end_ && keep_alive_ && begin_ == end_ && shareable)
    worker_.upstreams().give_back(std::move(connection_), settings_);
  // Our end of a tunnel is out: another one would say nothing, and nobody reads any more.
  else if (raw_ && sent_end_ && !received_end_)
    transport().abort();
  connection_.reset();
}

}  // namespace cppx::proxy
