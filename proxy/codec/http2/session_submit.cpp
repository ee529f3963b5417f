// What the listener asks a session for.

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "proxy/codec/http2/field.h"
#include "proxy/codec/http2/field_store.h"
#include "proxy/codec/http2/head_writer.h"
#include "proxy/codec/http2/request_head.h"
#include "proxy/codec/http2/response_head.h"
#include "proxy/codec/http2/session.h"
#include "proxy/codec/http2/session_callbacks.h"
#include "proxy/codec/http2/stream_record.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

constexpr std::size_t kMaxSentFields = FieldList::kMaxFields + 1;

/// The fields as nghttp2 wants them, `first` before them.
class NvList {
 public:
  explicit NvList(std::span<const Field> fields) { add(fields); }
  NvList(const Field& first, std::span<const Field> fields) {
    add({&first, 1});
    add(fields);
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] const nghttp2_nv* data() const noexcept { return list_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void add(std::span<const Field> fields) noexcept {
    ok_ = ok_ && fields.size() <= list_.size() - size_;
    if (!ok_) return;
    for (const Field& field : fields) list_[size_++] = to_nv(field.name, field.value);
  }

  std::array<nghttp2_nv, kMaxSentFields> list_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

struct StatusText {
  explicit StatusText(std::uint16_t status) noexcept
      : digits{
            static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
            static_cast<char>('0' + status % 10)
        } {}
  [[nodiscard]] Field field() const noexcept {
    return {.name = ":status", .value = {digits.data(), digits.size()}};
  }
  std::array<char, 3> digits;
};

bool is_head_request(std::span<const Field> fields) noexcept {
  for (const Field& field : fields)
    if (field.name == ":method") return field.value == "HEAD";
  return false;
}

}  // namespace

PeerHead Session::take_head(StreamId id) {
  StreamRecord* stream = find(id);
  if (stream == nullptr) return {};
  return {
      .fields = std::move(stream->head),
      .ended = stream->head_ended,
      .head_method = stream->head_method
  };
}

void PeerHead::fill(routing::RequestHead& head) const { read_request(fields, ended, head); }

void PeerHead::fill(routing::ResponseHead& head) const {
  read_response(fields, ended, head_method, head);
}

std::optional<StreamId> Session::submit_request(std::span<const Field> fields, bool end) {
  const NvList list(fields);
  if (!can_open_stream() || !list.ok()) return std::nullopt;
  StreamRecord& stream = add_stream(0);
  nghttp2_data_provider body = SessionCallbacks::body_of(stream);
  stream.id = nghttp2_submit_request(
      nghttp2_.get(), nullptr, list.data(), list.size(), end ? nullptr : &body, &stream
  );
  if (stream.id < 0) {
    fail(kInternalError, nghttp2_strerror(stream.id));
    remove_stream(stream);
    return std::nullopt;
  }
  stream.unsent = stream.told = stream.head_given = true;
  stream.end_given = end;
  stream.head_method = is_head_request(fields);
  return stream.id;
}

bool Session::submit_response(
    StreamId id, std::uint16_t status, std::span<const Field> fields, bool end
) {
  StreamRecord* stream = find(id);
  if (stream == nullptr || stream->head_given || stream->reset_asked) return false;
  if (role_ != Role::kServer || status < 200 || status > 999) return false;
  const StatusText text(status);
  const NvList list(text.field(), fields);
  if (!list.ok()) return false;
  nghttp2_data_provider body = SessionCallbacks::body_of(*stream);
  if (nghttp2_submit_response(
          nghttp2_.get(), id, list.data(), list.size(), end ? nullptr : &body
      ) != 0)
    return false;
  stream->head_given = true;
  stream->end_given = end;
  stream->tunnel = stream->tunnel && status < 300;
  return true;
}

bool Session::submit_interim(StreamId id, std::uint16_t status, std::span<const Field> fields) {
  const StreamRecord* stream = find(id);
  if (stream == nullptr || stream->head_given || stream->reset_asked) return false;
  if (role_ != Role::kServer || status < 100 || status > 199 || status == 101) return false;
  const StatusText text(status);
  const NvList list(text.field(), fields);
  return list.ok() &&
         nghttp2_submit_headers(
             nghttp2_.get(), NGHTTP2_FLAG_NONE, id, nullptr, list.data(), list.size(), nullptr
         ) == 0;
}

bool Session::send_data(StreamId id, std::span<const iovec> pieces, bool end) {
  StreamRecord* stream = find(id);
  if (stream == nullptr || !stream->head_given || stream->end_given || stream->data_given ||
      stream->reset_asked)
    return false;
  std::uint64_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  if (bytes == 0 && !end) return false;
  stream->pieces = pieces;
  stream->first_offset = 0;
  stream->pending_bytes = bytes;
  stream->data_given = true;
  stream->end_given = end;
  resume(*stream);
  return true;
}

bool Session::send_trailers(StreamId id, std::span<const Field> fields) {
  if (fields.empty()) return send_data(id, {}, true);
  StreamRecord* stream = find(id);
  if (stream == nullptr || !stream->head_given || stream->end_given || stream->data_given ||
      stream->reset_asked || fields.size() > routing::kMaxHeaderFields)
    return false;
  FieldWriter writer;
  writer.start(~std::uint32_t{0});
  for (const Field& field : fields) writer.add(field.name, field.value);
  stream->trailers = writer.finish();
  stream->trailers_given = stream->end_given = true;
  resume(*stream);
  return true;
}

void Session::resume(StreamRecord& stream) noexcept {
  if (!stream.deferred) return;
  stream.deferred = false;
  nghttp2_session_resume_data(nghttp2_.get(), stream.id);
}

void Session::reset(StreamId id, std::uint32_t error_code) {
  StreamRecord* stream = find(id);
  if (stream == nullptr || stream->reset_asked) return;
  stream->reset_asked = stream->discard = true;
  stream->reset_code = error_code;
  stream->pieces = {};
  stream->pending_bytes = 0;
  nghttp2_submit_rst_stream(nghttp2_.get(), NGHTTP2_FLAG_NONE, id, error_code);
}

void Session::consume(StreamId id, std::size_t bytes) {
  StreamRecord* stream = find(id);
  if (stream == nullptr) return;
  const auto given =
      static_cast<std::uint32_t>(std::min<std::size_t>(bytes, stream->unconsumed_bytes));
  if (given == 0) return;
  stream->unconsumed_bytes -= given;
  // Nothing more comes on a stream that ended: only the connection gets the room back.
  if (stream->peer_ended)
    nghttp2_session_consume_connection(nghttp2_.get(), given);
  else
    nghttp2_session_consume(nghttp2_.get(), id, given);
}

void Session::shutdown_notice() {
  if (failure_.empty()) nghttp2_submit_shutdown_notice(nghttp2_.get());
}

void Session::goaway() {
  if (!goaway_sent_) last_accepted_ = nghttp2_session_get_last_proc_stream_id(nghttp2_.get());
  goaway_sent_ = true;
  if (!failure_.empty()) return;
  nghttp2_submit_goaway(nghttp2_.get(), NGHTTP2_FLAG_NONE, last_accepted_, kNoError, nullptr, 0);
}

std::uint32_t Session::peer_max_streams() const noexcept {
  return nghttp2_session_get_remote_settings(
      nghttp2_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
  );
}

bool Session::can_open_stream() const noexcept {
  return role_ == Role::kClient && failure_.empty() && !goaway_received_ &&
         nghttp2_session_check_request_allowed(nghttp2_.get()) != 0 &&
         open_streams_ < nghttp2_session_get_remote_settings(
                             nghttp2_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
                         );
}

bool Session::peer_takes_connect_protocol() const noexcept {
  return nghttp2_session_get_remote_settings(
             nghttp2_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL
         ) == 1;
}

}  // namespace cppx::proxy::http2
