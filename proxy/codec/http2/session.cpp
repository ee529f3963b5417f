#include "proxy/codec/http2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "proxy/codec/http2/preface.h"
#include "proxy/codec/http2/session_callbacks.h"
#include "proxy/codec/http2/stream_record.h"

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
      closed_(options.max_concurrent_streams),
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
bool Session::pay_for_frame(const FrameMeter::Part& frame) noexcept {
  if (frame.type == NGHTTP2_PUSH_PROMISE) {  // our SETTINGS forbid it (RFC 9113 8.4)
    fail(kProtocolError, "PUSH_PROMISE");
    return false;
  }
  if (is_late(frame)) return true;
  const bool settings = frame.type == NGHTTP2_SETTINGS && (frame.flags & NGHTTP2_FLAG_ACK) == 0;
  const bool paid = frame.type == NGHTTP2_WINDOW_UPDATE
                        ? guard_.window_update()
                        : guard_.overhead(settings ? kSettingsCost : 1);
  if (paid) return true;
  fail(kEnhanceYourCalm, "flood of frames that carry nothing");
  return false;
}

bool Session::is_late(const FrameMeter::Part& frame) noexcept {
  const bool data = frame.type == NGHTTP2_DATA;
  if (late_.none() || (!data && frame.type != NGHTTP2_HEADERS && frame.type != NGHTTP2_RST_STREAM))
    return false;
  // Of none that is open, nor of one that is yet to be opened.
  const bool known = role_ == Role::kServer
                         ? frame.stream <= closed_.last()
                         : static_cast<std::uint32_t>(frame.stream) <
                               nghttp2_session_get_next_stream_id(nghttp2_.get());
  if (!known || frame.stream == 0 || find(frame.stream) != nullptr) return false;
  const bool empty_end = frame.payload_bytes == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  return data && !empty_end ? late_.take_data(frame.payload_bytes) : late_.take_end();
}

bool Session::has_its_place(const FrameMeter::Part& frame) {
  if (frame.type == NGHTTP2_PRIORITY && frame.stream == 0) {  // RFC 9113 6.3
    fail(kProtocolError, "PRIORITY of the connection");
    return false;
  }
  const bool opens = frame.type == NGHTTP2_HEADERS;
  // Streams above the last one of our GOAWAY are ignored, whatever their state.
  if (role_ != Role::kServer || goaway_sent_ || (!opens && frame.type != NGHTTP2_DATA) ||
      frame.stream % 2 == 0 || find(frame.stream) != nullptr)
    return true;
  switch (closed_.judge(frame.stream, opens)) {
    case ClosedStreams::Verdict::kExpected:
      return true;
    case ClosedStreams::Verdict::kClosed:
      fail(kStreamClosed, "frame of a closed stream");
      return false;
    case ClosedStreams::Verdict::kNeverOpened:
      fail(kProtocolError, "stream number below the last one");
      return false;
  }
  return true;
}

Session::Status Session::receive(std::span<const char> bytes, TimePoint now) {
  guard_.advance(now);
  while (!bytes.empty() && failure_.empty()) {
    const FrameMeter::Part part = meter_.next(bytes);
    if (part.begins && closed_.take_refusal()) late_.expect(options_.stream_window_bytes);
    if (part.begins && (!pay_for_frame(part) || !has_its_place(part))) break;
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

bool Session::is_unsent(StreamId id) const noexcept {
  // They are the newest.
  for (const StreamRecord* stream = streams_; stream != nullptr && stream->unsent;
       stream = stream->next)
    if (stream->id == id) return true;
  return false;
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

}  // namespace cppx::proxy::http2
