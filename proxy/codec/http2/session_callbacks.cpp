#include "proxy/codec/http2/session_callbacks.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "proxy/codec/head_fields.h"
#include "proxy/codec/http1/head_validator.h"
#include "proxy/codec/http2/field.h"
#include "proxy/codec/http2/field_store.h"
#include "proxy/codec/http2/request_head.h"
#include "proxy/codec/http2/response_head.h"
#include "proxy/codec/http2/session.h"
#include "proxy/codec/http2/stream_record.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

// So many times max_head_bytes is no mistake any more but an attack on our time and memory.
constexpr std::uint64_t kHeadBomb = 8;
// Each frame was paid for when it came.
constexpr std::uint32_t kPaidBack = 1;

std::string_view text_of(nghttp2_rcbuf* buffer) noexcept {
  const nghttp2_vec text = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(text.base), text.len};
}

}  // namespace

void SessionCallbacks::install(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
  nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame_sent);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}

nghttp2_data_provider SessionCallbacks::body_of(StreamRecord& stream) noexcept {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = read_body;
  return provider;
}

int SessionCallbacks::on_begin_headers(
    nghttp2_session* session, const nghttp2_frame* frame, void* user
) noexcept {
  Session& self = session_of(user);
  self.writer_.start(self.options_.max_head_bytes);
  if (self.role_ == Role::kClient || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  StreamRecord& stream = self.add_stream(frame->hd.stream_id);
  self.closed_.accepted(stream.id);
  nghttp2_session_set_stream_user_data(session, stream.id, &stream);
  return 0;
}

int SessionCallbacks::on_header(
    nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, nghttp2_rcbuf* name,
    nghttp2_rcbuf* value, std::uint8_t /*flags*/, void* user
) noexcept {
  Session& self = session_of(user);
  self.writer_.add(text_of(name), text_of(value));
  if (self.writer_.counted_bytes() <= kHeadBomb * self.options_.max_head_bytes) return 0;
  self.fail(kEnhanceYourCalm, "head far over its limit");
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int SessionCallbacks::on_invalid_header(
    nghttp2_session* /*session*/, const nghttp2_frame* frame, nghttp2_rcbuf* /*name*/,
    nghttp2_rcbuf* /*value*/, std::uint8_t /*flags*/, void* user
) noexcept {
  Session& self = session_of(user);
  // A request can be answered; all else that is malformed ends its stream (RFC 9113 8.1.1).
  if (self.role_ == Role::kClient || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  self.writer_.spoil();
  return 0;
}

int SessionCallbacks::on_data(
    nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t id, const std::uint8_t* data,
    std::size_t size, void* user
) noexcept {
  Session& self = session_of(user);
  StreamRecord* stream = self.find(id);
  if (stream == nullptr || stream->discard) {
    nghttp2_session_consume(session, id, size);
    return 0;
  }
  stream->unconsumed_bytes += static_cast<std::uint32_t>(size);
  self.events_.on_data(id, {reinterpret_cast<const char*>(data), size});
  return 0;
}

int SessionCallbacks::after_request_head(Session& self, StreamRecord& stream, bool ended) {
  // The GOAWAY may still wait to be sent: the client will read there that it can repeat the
  // request.
  if (self.goaway_sent_ && stream.id > self.last_accepted_) {
    self.reset(stream.id, kRefusedStream);
    return 0;
  }
  stream.told = true;
  stream.head_ended = ended;
  std::uint16_t refused = 0;
  if (self.writer_.too_large()) {
    refused = 431;
  } else if (self.writer_.malformed()) {
    refused = 400;
  } else {
    stream.head = self.writer_.finish();
    refused = judge_request(stream.head, ended, stream.tunnel);
  }
  if (refused == 0) {
    self.guard_.useful(kPaidBack + kUsefulCredit);
    self.events_.on_request(stream.id, ended);
    return 0;
  }
  stream.discard = true;
  stream.head = {};
  self.events_.on_bad_request(stream.id, refused, self.writer_.head_method());
  return 0;
}

int SessionCallbacks::after_response_head(Session& self, StreamRecord& stream, bool ended) {
  stream.head_ended = ended;
  const bool fits = !self.writer_.too_large();
  if (fits) stream.head = self.writer_.finish();
  const std::uint16_t status = fits ? judge_response(stream.head) : 0;
  if (status == 0) {
    self.reset(stream.id, fits ? kProtocolError : kCancel);
    return 0;
  }
  stream.answered = true;
  stream.final_head = status >= 200;
  self.guard_.useful(kPaidBack + kUsefulCredit);
  self.events_.on_response(stream.id, ended);
  return 0;
}

int SessionCallbacks::after_trailers(Session& self, StreamRecord& stream) {
  const StreamId id = stream.id;
  self.guard_.useful(kPaidBack);
  if (self.writer_.too_large()) {
    // What came before has gone on already: there is nothing to answer any more.
    self.reset(id, kCancel);
    return after_reset(self, &stream);
  }
  std::array<Field, routing::kMaxHeaderFields> fields;
  std::size_t count = 0;
  StoredField field;
  for (FieldCursor all = self.writer_.fields(); all.next(field) && count < fields.size();)
    if (http1::allowed_in_trailer(field.name) &&
        (self.role_ == Role::kClient || is_ordinary_name(field.name)))
      fields[count++] = {.name = field.name, .value = field.value};
  if (count > 0) self.events_.on_trailers(id, {fields.data(), count});
  // The listener may have reset the stream.
  if (const StreamRecord* still = self.find(id); still != nullptr && !still->discard)
    self.events_.on_end(id);
  return 0;
}

int SessionCallbacks::after_headers(Session& self, StreamRecord& stream, bool ended) {
  stream.peer_ended = ended;
  if (stream.discard) return 0;
  if (self.role_ == Role::kServer)
    return stream.told ? after_trailers(self, stream) : after_request_head(self, stream, ended);
  return stream.final_head ? after_trailers(self, stream)
                           : after_response_head(self, stream, ended);
}

/// The client ended a stream, or made us end it, that would have had a response.
int SessionCallbacks::after_reset(Session& self, StreamRecord* stream) {
  if (self.role_ == Role::kClient || (stream != nullptr && stream->ended)) return 0;
  if (self.guard_.reset()) return 0;
  self.fail(kEnhanceYourCalm, "flood of resets");
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int SessionCallbacks::on_frame(
    nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user
) noexcept {
  Session& self = session_of(user);
  StreamRecord* stream = self.find(frame->hd.stream_id);
  const bool ended = has_flag(frame->hd, NGHTTP2_FLAG_END_STREAM);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      return stream == nullptr ? 0 : after_headers(self, *stream, ended);
    case NGHTTP2_DATA:
      if (stream == nullptr) return 0;
      // Empty ones stay paid for (CVE-2019-9518).
      if (frame->hd.length > frame->data.padlen) self.guard_.useful(kPaidBack + 1);
      if (!ended) return 0;
      stream->peer_ended = true;
      if (!stream->discard) self.events_.on_end(stream->id);
      return 0;
    case NGHTTP2_RST_STREAM:
      if (stream == nullptr) return 0;
      stream->peer_ended = stream->peer_reset = true;
      self.guard_.useful(kPaidBack);
      return after_reset(self, stream);
    case NGHTTP2_SETTINGS:
      if (!has_flag(frame->hd, NGHTTP2_FLAG_ACK)) self.settings_received_ = true;
      return 0;
    case NGHTTP2_GOAWAY:
      if (self.role_ == Role::kServer || self.goaway_received_) return 0;
      self.goaway_received_ = true;
      self.events_.on_goaway();
      return 0;
    default:
      return 0;
  }
}

int SessionCallbacks::on_stream_close(
    nghttp2_session* session, std::int32_t id, std::uint32_t error_code, void* user
) noexcept {
  Session& self = session_of(user);
  auto* stream = static_cast<StreamRecord*>(nghttp2_session_get_stream_user_data(session, id));
  if (stream == nullptr) return 0;
  // What the listener has not consumed will not be any more.
  if (stream->unconsumed_bytes > 0)
    nghttp2_session_consume_connection(session, stream->unconsumed_bytes);
  nghttp2_session_set_stream_user_data(session, id, nullptr);
  stream->unsent = false;  // find() finds it no more
  if (!stream->peer_ended) self.late_.expect(self.options_.stream_window_bytes);
  const bool refused = self.role_ == Role::kClient && error_code == kRefusedStream &&
                       !stream->reset_asked && !stream->answered;
  // The stream may have ended both ways before the reset was sent: what counts is that it was asked
  // for.
  if (stream->reset_asked) error_code = stream->reset_code;
  // Streams that a GOAWAY leaves out are closed with the code for refused ones.
  if (self.role_ == Role::kClient && !stream->final_head && !stream->peer_reset &&
      error_code != kNoError && error_code != kRefusedStream)
    self.events_.on_bad_response(id);
  if (stream->told) self.events_.on_closed(id, error_code, refused);
  self.remove_stream(*stream);
  return 0;
}

}  // namespace cppx::proxy::http2
