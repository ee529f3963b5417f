// One try to have a request answered by one endpoint: connection, request head and body, response
// head.

#include <cerrno>
#include <cstring>

#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http1/head_writer.h"
#include "proxy/stream/stream.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

using routing::BodyFraming;

// Interim responses (1xx) in front of one final response; more is a backend gone wrong.
constexpr int kMaxInterim = 16;
constexpr std::chrono::seconds kAbortCheckInterval{1};

}  // namespace

Task<IoStatus> Stream::acquire(const routing::EndpointAddress& address, bool may_reuse) {
  reused_ = false;
  if (may_reuse) {
    upstream_ = worker_.upstreams().take(address);
    if (upstream_) {
      reused_ = true;
      ++worker_.counters().upstream_reuses;
      co_return IoStatus::kOk;
    }
  }
  upstream_ = std::make_unique<UpstreamConnection>(worker_.io(), worker_.wheel(), address);
  ++worker_.counters().upstream_connects;
  selector_.connecting();
  const auto connected = co_await upstream_->connect(selector_.timeouts().connect);
  selector_.connected();
  if (connected != IoStatus::kOk) ++worker_.counters().upstream_connect_failures;
  co_return connected;
}

Task<Stream::Attempt> Stream::attempt(const routing::EndpointAddress& address, bool may_reuse) {
  abort_check_.arm(kAbortCheckInterval);
  const auto connected = co_await acquire(address, may_reuse);
  if (client_gone_) co_return Attempt::kClientGone;
  if (connected == IoStatus::kTimeout) co_return Attempt::kConnectTimeout;
  if (connected != IoStatus::kOk) co_return Attempt::kNotConnected;
  const auto sent = co_await send_request();
  if (sent == IoStatus::kTimeout) co_return Attempt::kTimeout;
  if (const Attempt refused = attempt_of_upload(); refused != Attempt::kHead) co_return refused;
  // After a failed write there may still be an answer: a backend may refuse a body without reading
  // it.
  if (upload_ != Upload::kRunning) upstream_->transport().arm_read(selector_.timeouts().read);
  Attempt result = co_await read_response_head();
  if (result == Attempt::kHead) co_return result;
  co_await stop_upload();
  if (client_gone_) co_return Attempt::kClientGone;
  const Attempt because_of_upload = attempt_of_upload();
  co_return because_of_upload == Attempt::kHead ? result : because_of_upload;
}

Stream::Attempt Stream::attempt_of_upload() const noexcept {
  switch (upload_) {
    case Upload::kClientFailed:
      return Attempt::kClientGone;
    case Upload::kClientTimeout:
      return Attempt::kBodyTimeout;
    case Upload::kBadBody:
      return Attempt::kBadBody;
    case Upload::kTooLarge:
      return Attempt::kTooLarge;
    case Upload::kUpstreamTimeout:
      return Attempt::kTimeout;
    default:
      return Attempt::kHead;
  }
}

Task<IoStatus> Stream::send_request() {
  sent_bytes_ = 0;
  reset_ = false;
  body_bytes_ = 0;
  ++upstream_->requests;
  state_.request_body.start(state_.request.framing, state_.request.content_length);
  downstream_.begin = body_begin_;
  const auto sent = co_await send_body_pieces(upstream_head_);
  if (sent != IoStatus::kOk) co_return sent;
  if (body_complete_ || state_.request_body.finished()) co_return IoStatus::kOk;
  // The rest of the body comes while the response is waited for. The client's reads now belong to
  // upload().
  abort_check_.disarm();
  upstream_->transport().disarm_read();
  upload_ = Upload::kRunning;
  upload_ended_.reset();
  spawn(upload(), [this] { upload_ended_.set(); });
  co_return IoStatus::kOk;
}

Task<IoStatus> Stream::send_body_pieces(std::string_view lead) {
  using Status = http1::BodyReader::Status;
  const bool chunked = state_.request.framing == BodyFraming::kChunked;
  for (;;) {
    const auto part =
        state_.request_gather.gather(state_.request_body, downstream_.unread(), chunked, lead);
    lead = {};
    downstream_.begin += part.consumed;
    body_bytes_ += part.body_bytes;
    if (part.status == Status::kBad) {
      upload_ = Upload::kBadBody;
      co_return IoStatus::kCancelled;
    }
    if (settings_.proxy_body_size_bytes != 0 && body_bytes_ > settings_.proxy_body_size_bytes) {
      upload_ = Upload::kTooLarge;
      co_return IoStatus::kCancelled;
    }
    const auto written =
        co_await upstream_->transport().write_all(part.pieces, selector_.timeouts().send);
    sent_bytes_ += written.bytes;
    reset_ = reset_ || written.error == ECONNRESET;
    if (!written.ok()) co_return written.status;
    if (part.status == Status::kNeedMore || part.status == Status::kEnd) co_return IoStatus::kOk;
  }
}

Task<void> Stream::upload() {
  if (state_.request.expect_continue) co_await send_continue();
  const Upload result = co_await move_body();
  downstream_.transport.disarm_read();
  upload_ = result;
  if (result == Upload::kDone) {
    upstream_->transport().arm_read(selector_.timeouts().read);
    abort_check_.arm(kAbortCheckInterval);
  } else if (result == Upload::kUpstreamFailed) {
    // It may have answered without reading all.
    upstream_->transport().arm_read(selector_.timeouts().read);
  } else {
    // Nothing sensible can come back for half a request.
    upstream_->transport().cancel();
  }
}

Task<Stream::Upload> Stream::move_body() {
  Transport& client = downstream_.transport;
  while (!state_.request_body.finished()) {
    // All that came has been sent: the room behind the head is free again.
    downstream_.begin = downstream_.end = body_begin_;
    client.arm_read(settings_.client_body_timeout);
    const auto got = co_await client.read_some(downstream_.free_space());
    if (got.status == IoStatus::kTimeout) co_return Upload::kClientTimeout;
    if (!got.ok()) co_return Upload::kClientFailed;
    downstream_.end += got.bytes;
    const auto sent = co_await send_body_pieces({});
    if (upload_ == Upload::kBadBody || upload_ == Upload::kTooLarge) co_return upload_;
    if (sent == IoStatus::kTimeout) co_return Upload::kUpstreamTimeout;
    if (sent != IoStatus::kOk) co_return Upload::kUpstreamFailed;
  }
  co_return Upload::kDone;
}

Task<void> Stream::send_continue() {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  iovec piece{
      .iov_base = const_cast<char*>(kContinue.data()), .iov_len = kContinue.size()
  };  // NOLINT: only read
  co_await downstream_.transport.write_all({&piece, 1}, settings_.client_send_timeout);
}

Task<void> Stream::stop_upload() {
  if (upload_ != Upload::kRunning) co_return;
  downstream_.transport.cancel(Direction::kRead);
  upstream_->transport().cancel(Direction::kWrite);
  co_await upload_ended_;
  downstream_.transport.resume(Direction::kRead);
  // Whatever upload() made of being stopped: the body did not reach its end.
  upload_ = Upload::kUpstreamFailed;
}

Task<Stream::Attempt> Stream::read_response_head() {
  http1::HeadParser& parser = state_.response_parser;
  if (response_in_.empty()) response_in_ = worker_.buffers().take_small();
  response_begin_ = response_end_ = 0;
  for (int interim = 0; interim < kMaxInterim;) {
    parser.reset();
    auto status = http1::HeadParser::Status::kNeedMore;
    for (;;) {
      const std::string_view bytes{
          response_in_.data() + response_begin_, response_end_ - response_begin_
      };
      status = parser.parse(bytes);
      if (status != http1::HeadParser::Status::kNeedMore) break;
      if (response_end_ == response_in_.size()) {
        if (response_end_ >= settings_.proxy_header_bytes ||
            response_in_.size() == BufferPool::kLarge)
          co_return Attempt::kBadResponse;
        Buffer larger = worker_.buffers().take_large();
        std::memcpy(larger.data(), response_in_.data(), response_end_);
        response_in_ = std::move(larger);
      }
      const auto got = co_await upstream_->transport().read_some(
          {response_in_.data() + response_end_, response_in_.size() - response_end_}
      );
      if (got.status == IoStatus::kTimeout) co_return Attempt::kTimeout;
      reset_ = reset_ || got.error == ECONNRESET;
      if (!got.ok()) co_return Attempt::kNoResponse;
      response_end_ += got.bytes;
    }
    const std::string_view head{response_in_.data() + response_begin_, parser.head_bytes()};
    if (status != http1::HeadParser::Status::kDone ||
        parser.head_bytes() > settings_.proxy_header_bytes ||
        !http1::validate_response(parser, head, state_.request.head_method, state_.response))
      co_return Attempt::kBadResponse;
    response_begin_ += parser.head_bytes();
    if (state_.response.status == 101)
      co_return state_.request.upgrade ? Attempt::kHead : Attempt::kBadResponse;
    if (state_.response.status >= 200) co_return Attempt::kHead;
    ++interim;
    if (upload_ != Upload::kRunning) upstream_->transport().arm_read(selector_.timeouts().read);
    const bool passed_on = co_await forward_interim();
    if (!passed_on) co_return Attempt::kClientGone;
  }
  co_return Attempt::kBadResponse;
}

Task<bool> Stream::forward_interim() {
  // 100 is ours to send (RFC 9110 10.1.1), and HTTP/1.0 knows no 1xx (15.2).
  if (state_.response.status == 100 || state_.request.minor_version == 0) co_return true;
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_interim_head(out, state_.response);
  const std::string_view text = out.text();
  iovec piece{
      .iov_base = const_cast<char*>(text.data()), .iov_len = text.size()
  };  // NOLINT: only read
  const auto written =
      co_await downstream_.transport.write_all({&piece, 1}, settings_.client_send_timeout);
  if (!written.ok()) client_gone_ = true;
  co_return written.ok();
}

}  // namespace cppx::proxy
