// The part of nghttp2's callbacks that sends.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "proxy/codec/http2/field_store.h"
#include "proxy/codec/http2/session.h"
#include "proxy/codec/http2/session_callbacks.h"
#include "proxy/codec/http2/stream_record.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

constexpr std::size_t kFrameHeadBytes = 9;
// A frame of payload is not made smaller than this by the end of the buffer given to pull().
constexpr std::size_t kSmallPayload = 1024;
static_assert(kFrameHeadBytes + kSmallPayload <= Session::kMinPullBytes);

}  // namespace

ssize_t SessionCallbacks::read_body(
    nghttp2_session* session, std::int32_t id, std::uint8_t* /*buffer*/, std::size_t size,
    std::uint32_t* flags, nghttp2_data_source* source, void* user
) noexcept {
  const Session& self = session_of(user);
  auto& stream = *static_cast<StreamRecord*>(source->ptr);
  if (stream.data_given) {
    const std::size_t room = self.out_.size() - self.out_used_;
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(stream.pending_bytes, size));
    if (room < kFrameHeadBytes + std::min(wanted, kSmallPayload)) return NGHTTP2_ERR_PAUSE;
    const std::size_t taken = std::min(wanted, room - kFrameHeadBytes);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (taken == stream.pending_bytes && stream.end_given) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(taken);
  }
  if (!stream.trailers_given) {
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  std::array<nghttp2_nv, routing::kMaxHeaderFields> list;
  std::size_t count = 0;
  StoredField field;
  for (FieldCursor all = stream.trailers.fields(); all.next(field) && count < list.size();)
    list[count++] = to_nv(field.name, field.value);
  if (nghttp2_submit_trailer(session, id, list.data(), count) != 0)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  stream.trailers = {};
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return 0;
}

int SessionCallbacks::send_data(
    nghttp2_session* /*session*/, nghttp2_frame* /*frame*/, const std::uint8_t* head,
    std::size_t size, nghttp2_data_source* source, void* user
) noexcept {
  Session& self = session_of(user);
  auto& stream = *static_cast<StreamRecord*>(source->ptr);
  // read_body() saw that there is room.
  if (self.out_.size() - self.out_used_ < kFrameHeadBytes + size || size > stream.pending_bytes)
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  char* out = self.out_.data() + self.out_used_;
  std::memcpy(out, head, kFrameHeadBytes);
  out += kFrameHeadBytes;
  for (std::size_t left = size; left > 0 && !stream.pieces.empty();) {
    const iovec& piece = stream.pieces.front();
    const std::size_t taken = std::min(left, piece.iov_len - stream.first_offset);
    if (taken > 0)
      std::memcpy(out, static_cast<const char*>(piece.iov_base) + stream.first_offset, taken);
    out += taken;
    left -= taken;
    stream.first_offset += taken;
    if (stream.first_offset < piece.iov_len) continue;
    stream.pieces = stream.pieces.subspan(1);
    stream.first_offset = 0;
  }
  self.out_used_ += kFrameHeadBytes + size;
  stream.pending_bytes -= size;
  return 0;
}

/// A client that still sends need not: the response is complete without it (RFC 9113 8.1).
void SessionCallbacks::after_our_end(Session& self, StreamRecord& stream) {
  stream.ended = true;
  if (self.role_ == Role::kClient) return;
  self.guard_.response_done();
  if (!stream.peer_ended && !stream.tunnel && !stream.reset_asked)
    nghttp2_submit_rst_stream(self.nghttp2_.get(), NGHTTP2_FLAG_NONE, stream.id, kNoError);
}

// on_frame_sent() comes late for that: a frame that ends with the buffer of one pull() is told of
// in the next.
int SessionCallbacks::before_frame_sent(
    nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user
) noexcept {
  Session& self = session_of(user);
  if (self.role_ == Role::kServer || frame->hd.type != NGHTTP2_HEADERS) return 0;
  StreamRecord* stream = self.find(frame->hd.stream_id);
  if (stream == nullptr || !stream->unsent) return 0;
  stream->unsent = false;
  self.events_.on_sending(stream->id);
  return 0;
}

int SessionCallbacks::on_frame_sent(
    nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user
) noexcept {
  Session& self = session_of(user);
  StreamRecord* stream = self.find(frame->hd.stream_id);
  const bool ended = has_flag(frame->hd, NGHTTP2_FLAG_END_STREAM);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (stream != nullptr && ended) after_our_end(self, *stream);
      return 0;
    case NGHTTP2_DATA: {
      self.guard_.sent(static_cast<std::uint32_t>(frame->hd.length));
      if (stream == nullptr) return 0;
      const bool all = stream->pending_bytes == 0;
      // Small frames while there is more: the peer makes us send them (CVE-2019-9511).
      if (all || frame->hd.length >= kSmallPayload) self.guard_.useful(kUsefulCredit);
      if (ended) after_our_end(self, *stream);
      if (!all) {
        if (frame->hd.length >= kSmallPayload) self.events_.on_progress(stream->id);
        return 0;
      }
      if (!stream->data_given) return 0;
      stream->data_given = false;
      stream->pieces = {};
      self.events_.on_sent(stream->id);
      return 0;
    }
    case NGHTTP2_RST_STREAM:
      self.closed_.reset(frame->hd.stream_id);
      if (frame->rst_stream.error_code == kNoError || (stream != nullptr && stream->reset_asked))
        return 0;
      return after_reset(self, stream);
    case NGHTTP2_GOAWAY:
      // nghttp2 ends the connection: what it found wrong stands in the frame, if anywhere.
      if (frame->goaway.error_code != kNoError && self.failure_.empty())
        self.failure_ = "protocol error";
      return 0;
    default:
      return 0;
  }
}

}  // namespace cppx::proxy::http2
