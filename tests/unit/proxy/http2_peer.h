#pragma once
// Two ends of HTTP/2 without a network: a listener that writes down what it is told, bytes carried
// from one session to the other, and frames made by hand.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/codec/http2/session.h"

namespace cppx::proxy::test {

/// A session and its listener. What it is told stands in `log`, a line a call.
class Http2Peer : public http2::SessionEvents {
 public:
  explicit Http2Peer(http2::Role role, const http2::SessionOptions& options = {})
      : session(role, options, *this) {}
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  virtual ~Http2Peer() = default;

  /// All that can be sent now.
  std::string sent(std::size_t room = 16 * 1024);
  /// Received in pieces of `step` bytes.
  http2::Session::Status get(std::string_view bytes, std::size_t step = 0);

  void on_request(http2::StreamId id, bool end) override;
  void on_bad_request(http2::StreamId id, std::uint16_t status, bool head_method) override;
  void on_response(http2::StreamId id, bool end) override;
  void on_data(http2::StreamId id, std::span<const char> data) override;
  void on_trailers(http2::StreamId id, std::span<const http2::Field> fields) override;
  void on_end(http2::StreamId id) override;
  void on_sending(http2::StreamId id) override { begun.push_back(id); }
  void on_sent(http2::StreamId id) override;
  void on_progress(http2::StreamId) override { ++progress; }
  void on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) override;
  void on_goaway() override;

  /// Sends `text` as one piece, which is kept until on_sent.
  bool send(http2::StreamId id, const std::string& text, bool end);
  /// Calls of `kind` in the log ("request", "closed" ...).
  [[nodiscard]] std::size_t count(std::string_view kind) const;
  [[nodiscard]] bool has(std::string_view line) const;

  std::vector<std::string> log;
  std::map<http2::StreamId, std::string> bodies;
  std::map<http2::StreamId, http2::PeerHead> heads;  ///< The last one of each stream.
  std::vector<http2::StreamId> begun;                ///< Calls of on_sending.
  bool consume_at_once = true;
  int progress = 0;  ///< Calls of on_progress.
  http2::Session::TimePoint now{std::chrono::hours(1)};
  http2::Session session;

 private:
  struct Sending {
    std::string text;
    iovec piece{};
  };
  std::map<http2::StreamId, std::unique_ptr<Sending>> sending_;
};

/// Carries bytes in pieces of `step` until neither side has any more to say. 0: all at once.
void exchange(Http2Peer& a, Http2Peer& b, std::size_t step = 0);

/// A head as text, a field a line.
std::string text_of(const routing::RequestHead& head);
std::string text_of(const routing::ResponseHead& head);

using FieldText = std::pair<std::string_view, std::string_view>;

std::string frame(
    std::uint8_t type, std::uint8_t flags, http2::StreamId id, std::string_view payload = {}
);
/// A field section, each field as a literal that is not indexed (RFC 7541 6.2.2).
std::string section(const std::vector<FieldText>& fields);
/// Big-endian.
std::string u32(std::uint32_t value);
/// The preface and an empty SETTINGS.
std::string hello();
/// HEADERS with END_HEADERS and END_STREAM of a GET that is in order, for host "a".
std::string get_request(http2::StreamId id);

inline constexpr std::uint8_t kData = 0;
inline constexpr std::uint8_t kHeaders = 1;
inline constexpr std::uint8_t kPriority = 2;
inline constexpr std::uint8_t kRstStream = 3;
inline constexpr std::uint8_t kSettings = 4;
inline constexpr std::uint8_t kPushPromise = 5;
inline constexpr std::uint8_t kPing = 6;
inline constexpr std::uint8_t kGoaway = 7;
inline constexpr std::uint8_t kWindowUpdate = 8;
inline constexpr std::uint8_t kContinuation = 9;
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kAck = 1;
inline constexpr std::uint8_t kEndHeaders = 4;
inline constexpr std::uint8_t kPadded = 8;

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t id = 0;
  std::string payload;
};
/// What a session sent, cut up; the client's preface is left out.
std::vector<Frame> frames_of(std::string_view bytes);
/// The error code of the GOAWAY in `bytes`; -1 when there is none.
std::int64_t goaway_code(std::string_view bytes);

}  // namespace cppx::proxy::test
