#include "proxy/stream/http2/http2_downstream.h"

#include <array>
#include <charconv>

#include "proxy/codec/http2/head_writer.h"
#include "proxy/stream/grpc_status.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {

Http2Downstream::Http2Downstream(
    Http2Link& link, Downstream& connection, Http2Stream& stream, StreamState& state,
    const routing::ProxySettings& settings
)
    : link_(link), stream_(stream), state_(state), settings_(settings) {
  origin_ = {
      .listener = connection.listener.config().name,
      .connection = connection.origin(),
      .socket = connection.transport.native_handle(),
      .protocol = kHttp2,
      .side = &connection,
      .tunnel_only = state.request.upgrade,
  };
  keep_alive_ = true;
}

void Http2Downstream::rewind_body() {
  stream_.rewind();
  sizes_.request = 0;
}

BodyAtHand Http2Downstream::body_at_hand() {
  rewind_body();
  // The request that asks for a tunnel is its head.
  if (state_.request.upgrade) return BodyAtHand::kComplete;
  return stream_.ended() ? BodyAtHand::kComplete : BodyAtHand::kIncomplete;
}

Task<BodyAtHand> Http2Downstream::wait_for_body(Duration patience) {
  if (state_.request.framing == routing::BodyFraming::kLength &&
      state_.request.content_length <= Http2Stream::kWindow) {
    stream_.arm_read(patience);
    co_await stream_.wait_for_end();
    stream_.disarm_read();
  }
  co_return stream_.closed() && !stream_.ended() ? BodyAtHand::kGone : body_at_hand();
}

BodyPart Http2Downstream::next_body() {
  if (state_.request.upgrade && !tunnel_) return {.status = BodyPart::Status::kEnd};
  const BodyPart part = stream_.next_body();
  if (!tunnel_) sizes_.request += part.bytes;
  return part;
}

Task<BodyPart> Http2Downstream::read_body(Duration idle) {
  stream_.arm_read(idle);
  const BodyPart part = co_await stream_.read_body();
  stream_.disarm_read();
  if (!tunnel_) sizes_.request += part.bytes;
  co_return part;
}

// Nothing depends on it but the log.
void Http2Downstream::count_head(std::span<const http2::Field> fields) noexcept {
  if (!state_.access.enabled()) return;
  constexpr std::size_t kStatusLine = 16;  // "HTTP/2.0 200", and the ends of line and head
  constexpr std::size_t kAroundField = 4;
  std::size_t bytes = kStatusLine;
  for (const http2::Field& field : fields)
    bytes += field.name.size() + field.value.size() + kAroundField;
  sizes_.sent += bytes;
  sizes_.sent_head += bytes;
}

Task<bool> Http2Downstream::write_continue() {
  const bool open = link_.session().submit_interim(stream_.id(), 100, {});
  link_.flush();
  co_return open;
}

bool Http2Downstream::submit_interim(const routing::ResponseHead& response) {
  Buffer memory = link_.worker().buffers().take_large();
  http2::FieldList fields({memory.data(), memory.size()});
  http2::write_interim_head(fields, response);
  return fields.ok() && link_.session().submit_interim(stream_.id(), response.status, fields.all());
}

bool Http2Downstream::submit_response(
    const routing::ResponseHead& response, const ResponseChanges& changes, bool end
) {
  Buffer memory = link_.worker().buffers().take_large();
  http2::FieldList fields({memory.data(), memory.size()});
  const bool upgrade = response.status == 101;
  const bool unframed = response.framing == routing::BodyFraming::kChunked ||
                        response.framing == routing::BodyFraming::kUntilClose;
  http2::write_response_head(
      fields, response,
      {.chunked = unframed,
       .upgrade = upgrade,
       .date = link_.worker().date(),
       .strict_transport_security = changes.strict_transport_security,
       .set_cookie = changes.set_cookie}
  );
  // Extended CONNECT is accepted with 200 (RFC 8441 5).
  const std::uint16_t status = upgrade ? std::uint16_t{200} : response.status;
  if (!fields.ok() || !link_.session().submit_response(stream_.id(), status, fields.all(), end))
    return false;
  count_head(fields.all());
  return true;
}

Task<bool> Http2Downstream::write_interim(const routing::ResponseHead& response) {
  const bool open = submit_interim(response);
  link_.flush();
  co_return open;
}

Task<bool> Http2Downstream::write_response(
    const routing::ResponseHead& response, const ResponseChanges& changes, const BodyPart& first
) {
  const bool end = first.end() && first.bytes == 0 && first.trailers.empty();
  tunnel_ = response.status == 101;
  const bool open = submit_response(response, changes, end);
  link_.flush();
  if (!open || end) {
    if (end) stream_.message_ended();
    co_return open;
  }
  const bool written = co_await write_body(first);
  co_return written;
}

Task<bool> Http2Downstream::write_body(const BodyPart& part) {
  const auto sent = co_await stream_.send(part, settings_.client_send_timeout);
  if (sent == IoStatus::kOk) sizes_.sent += part.bytes;
  co_return sent == IoStatus::kOk;
}

Task<bool> Http2Downstream::write_local_reply(const LocalReply& reply, bool /*body_read*/) {
  if (stream_.closed()) co_return false;
  // Its 200 would accept a tunnel (RFC 8441 5).
  if (is_grpc(state_.request) && !origin_.tunnel_only) {
    const bool written = co_await write_grpc_error(reply);
    co_return written;
  }
  Buffer memory = link_.worker().buffers().take_small();
  const std::string_view page = local_reply_page({memory.data(), memory.size()}, reply);
  std::array<char, 20> digits;
  const auto digits_end =
      std::to_chars(digits.data(), digits.data() + digits.size(), page.size()).ptr;
  std::array<http2::Field, 5> fields;
  std::size_t count = 0;
  fields[count++] = {.name = "date", .value = link_.worker().date()};
  if (!page.empty()) fields[count++] = {.name = "content-type", .value = "text/html"};
  fields[count++] = {.name = "content-length", .value = {digits.data(), digits_end}};
  if (!reply.location.empty()) fields[count++] = {.name = "location", .value = reply.location};
  if (!reply.strict_transport_security.empty())
    fields[count++] = {
        .name = "strict-transport-security", .value = reply.strict_transport_security
    };
  const bool end = page.empty() || state_.request.head_method;
  const bool open =
      link_.session().submit_response(stream_.id(), reply.status, {fields.data(), count}, end);
  link_.flush();
  if (open) count_head({fields.data(), count});
  if (end) stream_.message_ended();
  if (!open || end) co_return open;
  const iovec piece{
      .iov_base = const_cast<char*>(page.data()), .iov_len = page.size()  // NOLINT: only read
  };
  const bool written = co_await write_body(
      {.status = BodyPart::Status::kEnd, .pieces = {&piece, 1}, .bytes = page.size()}
  );
  co_return written;
}

Task<bool> Http2Downstream::write_grpc_error(const LocalReply& reply) {
  const std::array<http2::Field, 4> fields{{
      {.name = "date", .value = link_.worker().date()},
      {.name = "content-type", .value = "application/grpc"},
      {.name = "grpc-status", .value = grpc_status_of(reply.status)},
      {.name = "grpc-message", .value = reason_phrase(reply.status)},
  }};
  const bool open = link_.session().submit_response(stream_.id(), 200, fields, true);
  if (open) count_head(fields);
  stream_.message_ended();
  link_.flush();
  co_return open;
}

void Http2Downstream::cancel() noexcept {
  stream_.cancel(Direction::kRead);
  stream_.cancel(Direction::kWrite);
}

}  // namespace cppx::proxy
