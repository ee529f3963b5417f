#include "proxy/codec/http2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "proxy/codec/http2/head_writer.h"
#include "proxy/codec/http2/preface.h"
#include "proxy/codec/http2/request_head.h"
#include "proxy/codec/http2/response_head.h"
#include "proxy/codec/http2/session_callbacks.h"

namespace cppx::proxy::http2 {
namespace {

// Ours decides (FloodGuard): nghttp2's own limit does not know that responses were finished.
constexpr std::uint64_t kNoLimitOfResets = 1U << 30U;
constexpr std::size_t kMaxContinuations = 8;
constexpr std::size_t kMaxOutboundAcks = 1000;
// Streams a server lets us open before its SETTINGS have come.
constexpr std::uint32_t kFirstStreams = 100;
// Frames that wait for a peer that does not read: some for each stream, and answers to what it
// sends.
constexpr std::size_t kMaxQueuedFrames = 4096;
constexpr std::size_t kMaxQueuedFramesPerStream = 8;
// SETTINGS are answered, and may change the window of each stream.
constexpr std::uint32_t kSettingsCost = 5;
constexpr std::size_t kMaxSentFields = FieldList::kMaxFields + 1;

std::uint32_t code_of(int nghttp2_error) noexcept {
  switch (nghttp2_error) {
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
      return kEnhanceYourCalm;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      return kProtocolError;
    default:
      return kInternalError;
  }
}

nghttp2_session* make_session(Role role, Session* self) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  nghttp2_session* session = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
    throw std::bad_alloc();
  SessionCallbacks::install(callbacks);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, kFirstStreams);
  nghttp2_option_set_max_outbound_ack(option, kMaxOutboundAcks);
  nghttp2_option_set_max_continuations(option, kMaxContinuations);
  nghttp2_option_set_stream_reset_rate_limit(option, kNoLimitOfResets, kNoLimitOfResets);
  const int error = role == Role::kServer
                        ? nghttp2_session_server_new2(&session, callbacks, self, option)
                        : nghttp2_session_client_new2(&session, callbacks, self, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (error != 0) throw std::bad_alloc();
  return session;
}

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

void put_u32(char* out, std::uint32_t value) noexcept {
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<char>(value >> shift & 0xffU);
}

}  // namespace

void Session::Deleter::operator()(nghttp2_session* session) const noexcept {
  nghttp2_session_del(session);
}

Session::Session(Role role, const SessionOptions& options, SessionEvents& events)
    : role_(role),
      options_(options),
      events_(events),
      meter_(role == Role::kServer ? kPreface.size() : 0),
      nghttp2_(make_session(role, this)) {
  submit_settings();
}

Session::~Session() {
  nghttp2_.reset();
  while (streams_ != nullptr) remove_stream(*streams_);
}

void Session::submit_settings() {
  std::array<nghttp2_settings_entry, 5> entries;
  std::size_t count = 0;
  const auto add = [&](std::int32_t id, std::uint32_t value) {
    entries[count++] = {.settings_id = id, .value = value};
  };
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window_bytes);
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options_.max_head_bytes);
  if (role_ == Role::kServer) {
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_concurrent_streams);
    // No tree of priorities to be built by PRIORITY frames (RFC 9113 5.3.2).
    add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
    if (options_.connect_protocol) add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  int error = nghttp2_submit_settings(nghttp2_.get(), NGHTTP2_FLAG_NONE, entries.data(), count);
  if (error == 0)
    error = nghttp2_session_set_local_window_size(
        nghttp2_.get(), NGHTTP2_FLAG_NONE, 0,
        static_cast<std::int32_t>(options_.connection_window_bytes)
    );
  if (error != 0) fail(kInternalError, nghttp2_strerror(error));
}

void Session::fail(std::uint32_t error_code, std::string_view reason) noexcept {
  if (!failure_.empty()) return;
  failure_ = reason;
  // Written by hand: after some errors nghttp2 gives nothing any more.
  char* out = last_frame_.data();
  put_u32(out, 8U << 8U | NGHTTP2_GOAWAY);  // length, type
  out[4] = 0;
  put_u32(out + 5, 0);
  put_u32(
      out + 9, static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(nghttp2_.get()))
  );
  put_u32(out + 13, error_code);
  last_frame_due_ = true;
}

/// Before it is looked at: what turns out to be useful is paid back then.
bool Session::pay_for_frame(std::uint8_t type, std::uint8_t flags) noexcept {
  if (type == NGHTTP2_PUSH_PROMISE) {  // our SETTINGS forbid it (RFC 9113 8.4)
    fail(kProtocolError, "PUSH_PROMISE");
    return false;
  }
  const bool settings = type == NGHTTP2_SETTINGS && (flags & NGHTTP2_FLAG_ACK) == 0;
  if (guard_.overhead(settings ? kSettingsCost : 1)) return true;
  fail(kEnhanceYourCalm, "flood of frames that carry nothing");
  return false;
}

Session::Status Session::receive(std::span<const char> bytes, TimePoint now) {
  guard_.advance(now);
  while (!bytes.empty() && failure_.empty()) {
    const FrameMeter::Part part = meter_.next(bytes);
    if (part.begins && !pay_for_frame(part.type, part.flags)) break;
    const auto used = nghttp2_session_mem_recv(
        nghttp2_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), part.bytes
    );
    if (used < 0) {
      const int error = static_cast<int>(used);
      fail(code_of(error), nghttp2_strerror(error));
    }
    bytes = bytes.subspan(part.bytes);
  }
  if (failure_.empty() && nghttp2_session_get_outbound_queue_size(nghttp2_.get()) >
                              kMaxQueuedFrames + kMaxQueuedFramesPerStream * open_streams_)
    fail(kEnhanceYourCalm, "the peer does not read");
  return failure_.empty() ? Status::kOk : Status::kFailed;
}

void Session::take_unsent() noexcept {
  if (unsent_.empty() && last_frame_due_) {
    unsent_ = last_frame_;
    last_frame_due_ = false;
  }
  const std::size_t size = std::min(unsent_.size(), out_.size() - out_used_);
  if (size == 0) return;
  std::memcpy(out_.data() + out_used_, unsent_.data(), size);
  out_used_ += size;
  unsent_ = unsent_.subspan(size);
}

std::size_t Session::pull(std::span<char> out) {
  out_ = out;
  out_used_ = 0;
  for (;;) {
    take_unsent();
    if (out_used_ == out_.size() || !unsent_.empty()) break;
    if (!failure_.empty()) {
      if (!last_frame_due_) break;
      continue;
    }
    const std::uint8_t* frame = nullptr;
    const auto size = nghttp2_session_mem_send(nghttp2_.get(), &frame);
    if (size < 0) {
      const int error = static_cast<int>(size);
      fail(code_of(error), nghttp2_strerror(error));
    } else if (size == 0) {
      break;
    } else {
      unsent_ = {reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size)};
    }
  }
  out_ = {};
  return out_used_;
}

bool Session::wants_write() const noexcept {
  if (!unsent_.empty() || last_frame_due_) return true;
  return failure_.empty() && nghttp2_session_want_write(nghttp2_.get()) != 0;
}

bool Session::wants_read() const noexcept {
  return failure_.empty() && nghttp2_session_want_read(nghttp2_.get()) != 0;
}

StreamRecord* Session::find(StreamId id) const noexcept {
  if (!failure_.empty()) return nullptr;
  if (void* known = nghttp2_session_get_stream_user_data(nghttp2_.get(), id))
    return static_cast<StreamRecord*>(known);
  if (role_ == Role::kServer) return nullptr;
  // nghttp2 knows a stream once its head has been sent; those that wait are the newest.
  for (StreamRecord* stream = streams_; stream != nullptr && stream->id >= id;
       stream = stream->next)
    if (stream->id == id && stream->unsent) return stream;
  return nullptr;
}

StreamRecord& Session::add_stream(StreamId id) {
  auto stream = std::make_unique<StreamRecord>();
  stream->id = id;
  stream->next = streams_;
  if (streams_ != nullptr) streams_->previous = stream.get();
  streams_ = stream.get();
  ++open_streams_;
  return *stream.release();  // owned by the list
}

void Session::remove_stream(StreamRecord& stream) noexcept {
  if (stream.next != nullptr) stream.next->previous = stream.previous;
  if (stream.previous != nullptr)
    stream.previous->next = stream.next;
  else
    streams_ = stream.next;
  --open_streams_;
  const std::unique_ptr<StreamRecord> owned(&stream);
}

void Session::fill_request(StreamId id, routing::RequestHead& head) const {
  const StreamRecord* stream = find(id);
  if (stream == nullptr)
    head.clear();
  else
    read_request(stream->head, stream->head_ended, head);
}

void Session::fill_response(StreamId id, routing::ResponseHead& head) const {
  const StreamRecord* stream = find(id);
  if (stream == nullptr)
    head.clear();
  else
    read_response(stream->head, stream->head_ended, stream->head_method, head);
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
  if (!failure_.empty()) return;
  nghttp2_submit_goaway(
      nghttp2_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(nghttp2_.get()),
      kNoError, nullptr, 0
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
