#pragma once
// HTTP/2 (RFC 9113) without I/O: received bytes become heads, body, trailers and resets; what is
// submitted becomes bytes.
//
//   bytes → Session::receive() → nghttp2 → FieldStore (a head) → SessionEvents
//   submit_*(), send_data() → nghttp2 → Session::pull() → bytes
//
// nghttp2 frames, compresses and controls the flow; what a head means is decided in request_head
// and response_head, what is sent in head_writer; FloodGuard ends connections that only make work.

#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "proxy/codec/http2/closed_streams.h"
#include "proxy/codec/http2/field.h"
#include "proxy/codec/http2/field_store.h"
#include "proxy/codec/http2/flood_guard.h"
#include "proxy/codec/http2/frame_meter.h"
#include "proxy/codec/http2/late_frames.h"
#include "proxy/codec/http2/stream_record.h"
#include "routing/http/message.h"

struct nghttp2_session;

namespace cppx::proxy::http2 {

enum class Role : std::uint8_t { kServer, kClient };

using StreamId = std::int32_t;

/// Of RFC 9113 7; the ones the proxy itself uses.
enum ErrorCode : std::uint8_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kStreamClosed = 5,
  kRefusedStream = 7,
  kCancel = 8,
  kEnhanceYourCalm = 11,
  kHttp11Required = 13,
};

struct SessionOptions {
  std::uint32_t max_concurrent_streams = 128;     ///< What a server lets a client open at once.
  std::uint32_t stream_window_bytes = 64 * 1024;  ///< Received and not consumed, one stream.
  std::uint32_t connection_window_bytes = 1024 * 1024;  ///< The same, all streams together.
  /// Of a head or trailer section, as SETTINGS_MAX_HEADER_LIST_SIZE counts (6.5.2: names, values
  /// and 32 for each field).
  std::uint32_t max_head_bytes = 32 * 1024;
  bool connect_protocol = true;  ///< Server: clients may ask for WebSocket (RFC 8441).
};

/// A peer's head for as long as it is needed: a stream may be over before what it was for is done.
struct PeerHead {
  FieldStore fields;
  bool ended = false;        ///< It was the whole message.
  bool head_method = false;  ///< Of a response: the request was HEAD.

  /// What it means; views live as long as `fields`.
  void fill(routing::RequestHead& head) const;
  void fill(routing::ResponseHead& head) const;
};

/// What a session finds in received bytes. Called from within receive(); on_sent and on_closed from
/// within pull() too, and on_sending only from there. The listener may call the session's other
/// functions at any time, but neither receive(), pull() nor the destructor from within a call. Each
/// of a stream's calls comes before its on_closed; that comes once for each stream that on_request
/// or on_bad_request told of, and for each that submit_request opened, unless the session is
/// destroyed before.
class SessionEvents {
 public:
  /// Server: a request whose head is valid; take_head() gives it. `end`: it has no body, and
  /// on_end is not called.
  virtual void on_request(StreamId id, bool end) = 0;
  /// Server: a request that is to be answered with `status` (400, 405, 431) and nothing else; there
  /// is no head to look at. Its body is thrown away. `head_method`: the answer has none either (RFC
  /// 9110 9.3.2).
  virtual void on_bad_request(StreamId id, std::uint16_t status, bool head_method) = 0;
  /// Client: an interim (1xx) or the final response; take_head() gives the head. `end`: it has
  /// no body, and on_end is not called.
  virtual void on_response(StreamId id, bool end) = 0;
  /// Client: what came is no response, or its head is too large. on_closed follows.
  virtual void on_bad_response(StreamId /*id*/) {}
  /// A part of the body, valid during the call. The peer may send as much again only when
  /// consume() gives the bytes back.
  virtual void on_data(StreamId id, std::span<const char> data) = 0;
  /// Fields of the trailer section that may stand in one, valid during the call. on_end follows.
  virtual void on_trailers(StreamId id, std::span<const Field> fields) = 0;
  /// The peer's message is complete.
  virtual void on_end(StreamId id) = 0;
  /// Client: pull() has come to the head of the request, no byte of which it has given before.
  virtual void on_sending(StreamId id) = 0;
  /// What was given to send_data() has been taken by pull(): the memory is the caller's again.
  virtual void on_sent(StreamId id) = 0;
  /// pull() has taken a part of it that is worth mentioning: the peer goes on reading.
  virtual void on_progress(StreamId id) = 0;
  /// The stream is over and its id means nothing any more. `error_code` 0: both messages ended, or
  /// the peer needs no more of ours. `refused`: the peer says that it has done nothing with the
  /// request, which may be sent again elsewhere (8.7).
  virtual void on_closed(StreamId id, std::uint32_t error_code, bool refused) = 0;
  /// Client: the peer takes no new streams on this connection.
  virtual void on_goaway() = 0;

 protected:
  ~SessionEvents() = default;
};

/// One HTTP/2 connection, of either role. Belongs to one thread.
class Session {
 public:
  enum class Status : std::uint8_t {
    kOk,
    kFailed,  ///< Send what pull() still gives (a GOAWAY), then close the connection.
  };
  using TimePoint = std::chrono::steady_clock::time_point;

  /// pull() is called with at least so much room.
  static constexpr std::size_t kMinPullBytes = 2048;

  /// `events` outlives the session. The preface and SETTINGS are waiting in pull() at once.
  Session(Role role, const SessionOptions& options, SessionEvents& events);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// All of `bytes` is used up. `now` is the time by which floods are told from long connections.
  /// Errors that nghttp2 answers itself show in finished(), once pull() has given the GOAWAY.
  Status receive(std::span<const char> bytes, TimePoint now);
  /// Fills `out` with frames, as many as fit; 0: nothing can be sent now. Payload is copied once,
  /// from the pieces given to send_data() into `out`.
  [[nodiscard]] std::size_t pull(std::span<char> out);
  /// Whether pull() would give something.
  [[nodiscard]] bool wants_write() const noexcept;
  /// False: whatever else comes on this connection means nothing.
  [[nodiscard]] bool wants_read() const noexcept;
  /// Nothing more to read or write: close the connection. To be asked after each pull() that gave
  /// 0.
  [[nodiscard]] bool finished() const noexcept { return !wants_read() && !wants_write(); }
  /// Why the session failed, for the log; empty when it did not.
  [[nodiscard]] std::string_view failure() const noexcept { return failure_; }

  /// Within on_request or on_response: the head that they tell of, for the caller to keep.
  [[nodiscard]] PeerHead take_head(StreamId id);

  /// Client: opens a stream. `fields` begins with the pseudo fields. Nothing when
  /// !can_open_stream(). Fields given to any function are copied before it returns.
  std::optional<StreamId> submit_request(std::span<const Field> fields, bool end);
  /// Server: the final head. `end`: no body follows. False, as with all functions that return bool:
  /// the stream is over, or what is asked for has been done already.
  bool submit_response(StreamId id, std::uint16_t status, std::span<const Field> fields, bool end);
  /// Server: 1xx, before the final head.
  bool submit_interim(StreamId id, std::uint16_t status, std::span<const Field> fields);
  /// Body bytes, at least one unless `end`. `pieces` (the array too) stay as they are until on_sent
  /// or on_closed; before that nothing more of this stream is to be given. `end`: these are the
  /// last.
  bool send_data(StreamId id, std::span<const iovec> pieces, bool end);
  /// Ends our message with a trailer section. After on_sent of the last send_data().
  bool send_trailers(StreamId id, std::span<const Field> fields);
  /// Ends the stream at once: the pieces given to send_data() are the caller's again, and of its
  /// calls only on_closed still comes, from pull(), with this code.
  void reset(StreamId id, std::uint32_t error_code);
  /// So many bytes of on_data have found their place: the peer may send as many again.
  void consume(StreamId id, std::size_t bytes);

  /// Server: tells the client to open no more streams here, and still takes those under way. Some
  /// round trips later, goaway(): streams opened by then are finished, later ones ignored.
  void shutdown_notice();
  void goaway();

  /// Client: whether submit_request() may open a stream now.
  [[nodiscard]] bool can_open_stream() const noexcept;
  /// Whether the peer has said that it speaks HTTP/2 (RFC 9113 3.4).
  [[nodiscard]] bool peer_settings_came() const noexcept { return settings_received_; }
  /// Client: nothing of the stream has been given to pull() yet; also of a session that failed.
  [[nodiscard]] bool is_unsent(StreamId id) const noexcept;
  /// How many streams the peer lets us have open at once (RFC 9113 5.1.2).
  [[nodiscard]] std::uint32_t peer_max_streams() const noexcept;
  /// Client: whether the peer takes extended CONNECT (RFC 8441); known after its SETTINGS.
  [[nodiscard]] bool peer_takes_connect_protocol() const noexcept;
  /// Streams that are open now, those submitted and not sent yet among them.
  [[nodiscard]] std::uint32_t open_streams() const noexcept { return open_streams_; }

 private:
  friend struct SessionCallbacks;  // what nghttp2 calls
  struct Deleter {
    void operator()(nghttp2_session* session) const noexcept;
  };

  void submit_settings();
  [[nodiscard]] StreamRecord* find(StreamId id) const noexcept;
  StreamRecord& add_stream(StreamId id);
  void remove_stream(StreamRecord& stream) noexcept;
  void resume(StreamRecord& stream) noexcept;
  void take_unsent() noexcept;
  [[nodiscard]] bool pay_for_frame(const FrameMeter::Part& frame) noexcept;
  /// Whether the peer may have sent it before it knew that we have ended its stream; each once.
  [[nodiscard]] bool is_late(const FrameMeter::Part& frame) noexcept;
  /// False: the frame is a connection error by its place alone.
  bool has_its_place(const FrameMeter::Part& frame);
  void fail(std::uint32_t error_code, std::string_view reason) noexcept;

  Role role_;
  SessionOptions options_;
  SessionEvents& events_;
  StreamRecord* streams_ = nullptr;  // all, newest first
  std::uint32_t open_streams_ = 0;
  FrameMeter meter_;
  ClosedStreams closed_;  // of a server
  LateFrames late_;
  bool goaway_sent_ = false;
  StreamId last_accepted_ = 0;  // as our GOAWAY says
  FloodGuard guard_;
  std::string_view failure_;
  // The frame pull() is in the middle of, in nghttp2's memory; the buffer pull() fills.
  std::span<const char> unsent_;
  std::span<char> out_;
  std::size_t out_used_ = 0;
  std::array<char, 17> last_frame_;  // the GOAWAY of a session that failed
  bool last_frame_due_ = false;
  FieldWriter writer_;  // the field section that is being received
  bool goaway_received_ = false;
  bool settings_received_ = false;
  // Last: its destructor may still look at what is above.
  std::unique_ptr<nghttp2_session, Deleter> nghttp2_;
};

}  // namespace cppx::proxy::http2
