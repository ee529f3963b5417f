// The response on its way to the client, and the tunnel after 101.

#include <cstring>

#include "proxy/codec/http1/head_writer.h"
#include "proxy/stream/stream.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

using routing::BodyFraming;
using BodyStatus = http1::BodyReader::Status;

}  // namespace

Task<StreamEnd> Stream::relay_response() {
  const routing::ResponseHead& response = state_.response;
  if (response.status == 101) co_return co_await tunnel();
  const bool http10 = state_.request.minor_version == 0;
  const bool unframed =
      response.framing == BodyFraming::kChunked || response.framing == BodyFraming::kUntilClose;
  const bool chunked = unframed && !http10;
  // A client that is still sending when the response begins cannot be sure to be heard out.
  const bool keep_alive =
      may_keep_alive() && !(unframed && http10) &&
      (upload_ == Upload::kNone || upload_ == Upload::kDone || upload_ == Upload::kRunning);
  http1::ResponsePlan plan{
      .client_minor_version = state_.request.minor_version,
      .chunked = chunked,
      .keep_alive = keep_alive,
      .date = worker_.date(),
      .strict_transport_security = strict_transport_security(),
      .set_cookie = selector_.set_cookie(downstream_.transport.is_tls(), state_.set_cookie)
  };
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_response_head(out, response, plan);
  ++worker_.counters().responses[response.status / 100U];
  if (!out.ok()) {
    co_await stop_upload();
    co_return StreamEnd::kAbort;
  }
  state_.response_body.start(response.framing, response.content_length);
  const bool complete = co_await relay_body(out.text(), chunked);
  co_await stop_upload();
  abort_check_.disarm();
  co_return finish_response(complete, keep_alive);
}

Task<bool> Stream::relay_body(std::string_view head, bool chunked) {
  Transport& upstream = upstream_->transport();
  for (;;) {
    const std::string_view input{
        response_in_.data() + response_begin_, response_end_ - response_begin_
    };
    const auto part = state_.response_gather.gather(state_.response_body, input, chunked, head);
    head = {};
    response_begin_ += part.consumed;
    const auto written =
        co_await downstream_.transport.write_all(part.pieces, settings_.client_send_timeout);
    if (!written.ok() || part.status == BodyStatus::kBad) co_return false;
    if (part.status == BodyStatus::kEnd || state_.response_body.finished()) {
      // A chunked body says its end in a step of its own.
      if (part.status == BodyStatus::kEnd || !chunked) co_return true;
      continue;
    }
    if (part.status == BodyStatus::kData) continue;
    // The head has gone out, and nothing of this buffer is needed any more: bulk moves in larger
    // pieces.
    if (response_in_.size() < BufferPool::kLarge && response_end_ == response_in_.size())
      response_in_ = worker_.buffers().take_large();
    response_begin_ = response_end_ = 0;
    if (upload_ != Upload::kRunning) upstream.arm_read(selector_.timeouts().read);
    const auto got = co_await upstream.read_some({response_in_.data(), response_in_.size()});
    if (got.status == IoStatus::kEof) {
      if (state_.response_body.at_close() != BodyStatus::kEnd) co_return false;
      if (!chunked) co_return true;
      char last_chunk[] = "0\r\n\r\n";
      iovec piece{.iov_base = last_chunk, .iov_len = sizeof(last_chunk) - 1};
      const auto ended =
          co_await downstream_.transport.write_all({&piece, 1}, settings_.client_send_timeout);
      co_return ended.ok();
    }
    if (!got.ok()) co_return false;
    response_end_ = got.bytes;
  }
}

StreamEnd Stream::finish_response(bool complete, bool keep_alive) {
  const bool body_sent = upload_ == Upload::kNone || upload_ == Upload::kDone;
  if (complete && body_sent && state_.response.keep_alive && response_begin_ == response_end_) {
    upstream_->transport().disarm_read();
    worker_.upstreams().give_back(std::move(upstream_), settings_);
  }
  upstream_.reset();
  if (!complete) return StreamEnd::kAbort;
  if (!body_sent) return StreamEnd::kLinger;
  return keep_alive ? StreamEnd::kKeepAlive : StreamEnd::kClose;
}

Task<StreamEnd> Stream::tunnel() {
  Transport& client = downstream_.transport;
  Transport& upstream = upstream_->transport();
  abort_check_.disarm();
  Buffer memory = worker_.buffers().take_large();
  http1::HeadBuffer out({memory.data(), memory.size()});
  http1::write_response_head(
      out, state_.response,
      {.upgrade = true,
       .date = worker_.date(),
       .set_cookie = selector_.set_cookie(client.is_tls(), state_.set_cookie)}
  );
  ++worker_.counters().responses[1];
  const std::string_view head = out.text();
  const std::string_view early{
      response_in_.data() + response_begin_, response_end_ - response_begin_
  };
  iovec pieces[2] = {
      {.iov_base = const_cast<char*>(head.data()), .iov_len = head.size()},  // NOLINT: only read
      {.iov_base = const_cast<char*>(early.data()), .iov_len = early.size()}
  };  // NOLINT: only read
  const auto to_client = co_await client.write_all(pieces, settings_.client_send_timeout);
  if (!to_client.ok()) co_return StreamEnd::kAbort;
  const std::string_view unread = downstream_.unread();
  iovec piece{
      .iov_base = const_cast<char*>(unread.data()), .iov_len = unread.size()
  };  // NOLINT: only read
  const auto to_upstream = co_await upstream.write_all({&piece, 1}, selector_.timeouts().send);
  if (!to_upstream.ok()) co_return StreamEnd::kAbort;
  downstream_.begin = downstream_.end = 0;
  upload_ = Upload::kRunning;
  upload_ended_.reset();
  Buffer client_memory = worker_.buffers().take_small();
  spawn(pump(client, upstream, {client_memory.data(), client_memory.size()}), [this] {
    upload_ended_.set();
  });
  co_await pump(upstream, client, {response_in_.data(), response_in_.size()});
  co_await upload_ended_;
  upload_ = Upload::kDone;
  upstream_.reset();
  co_return StreamEnd::kClose;
}

Task<void> Stream::pump(Transport& from, Transport& to, std::span<char> memory) {
  for (;;) {
    // Bytes in either direction keep the tunnel alive.
    from.arm_read(selector_.timeouts().read);
    to.arm_read(selector_.timeouts().read);
    const auto got = co_await from.read_some(memory);
    if (got.status == IoStatus::kEof) {
      to.shutdown_send();
      co_return;
    }
    if (!got.ok()) break;
    iovec piece{.iov_base = memory.data(), .iov_len = got.bytes};
    const auto written = co_await to.write_all({&piece, 1}, selector_.timeouts().send);
    if (!written.ok()) break;
  }
  // Timed out, reset, or nobody reads any more: the other direction ends too.
  from.cancel();
  to.cancel();
}

}  // namespace cppx::proxy
