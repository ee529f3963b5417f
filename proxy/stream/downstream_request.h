#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "proxy/coro/task.h"
#include "proxy/stream/body_part.h"
#include "proxy/stream/local_reply.h"
#include "routing/client/client_view.h"
#include "routing/http/message.h"

namespace cppx::proxy {

/// Told when a client leaves while nobody reads from it.
class ClientWatcher {
 public:
  virtual void on_client_gone() noexcept = 0;

 protected:
  ~ClientWatcher() = default;
};

/// What of a request's body has come already.
enum class BodyAtHand : std::uint8_t {
  kComplete,  ///< All of it: the request can be sent again.
  kIncomplete,
  kBad,   ///< Malformed.
  kGone,  ///< The client has left: the rest will not come.
};

/// What the stream changes about a response beside its head.
struct ResponseChanges {
  std::string_view strict_transport_security{};  ///< Empty: leave the backend's as it is.
  std::string_view set_cookie{};                 ///< One more Set-Cookie field; empty: none.
  /// False: the connection cannot go on after this response, its request was not heard out.
  bool keep_alive = true;
};

struct Downstream;

/// The protocol of a request, as logs name it.
inline constexpr std::string_view kHttp10 = "HTTP/1.0";
inline constexpr std::string_view kHttp11 = "HTTP/1.1";
inline constexpr std::string_view kHttp2 = "HTTP/2.0";

/// One request as its client sent it, and the way back: what a Stream knows of the client's side,
/// whatever the protocol. One reader of the body and one writer of the response at a time.
class DownstreamRequest {
 public:
  using Duration = std::chrono::milliseconds;

  virtual ~DownstreamRequest() = default;
  DownstreamRequest(const DownstreamRequest&) = delete;
  DownstreamRequest& operator=(const DownstreamRequest&) = delete;

  /// Where the client came from; good while the connection lives.
  struct Origin {
    std::string_view listener;  ///< Name of the table in the snapshot.
    routing::ConnectionOrigin connection;
    int socket = -1;  ///< Of the connection, for its addresses.
    std::string_view protocol = kHttp11;
    const Downstream* side = nullptr;  ///< The client's side of the connection.
    /// The request asks for a tunnel, and any 2xx would be taken for one (RFC 8441 5).
    bool tunnel_only = false;
  };
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

  /// Bytes that went over the connection for the request, framing of HTTP/1 included; with HTTP/2,
  /// of heads what their text would take.
  struct Sizes {
    std::uint64_t request = 0;  ///< Received; with HTTP/2 the body alone.
    std::uint64_t sent = 0;
    std::uint64_t sent_head = 0;  ///< Of them in heads, those of interim responses too.
  };
  [[nodiscard]] const Sizes& sizes() const noexcept { return sizes_; }

  /// Tried on the bytes at hand; reading then starts at the beginning.
  virtual BodyAtHand body_at_hand() = 0;
  /// Waits, for so long and not longer, for the rest of a body that says how long it is and that
  /// there is room for; then body_at_hand(), or kGone.
  virtual Task<BodyAtHand> wait_for_body(Duration patience) = 0;
  /// Reads what is left of the body, as far as it comes soon, and throws it away. False: not all of
  /// it came.
  virtual Task<bool> read_out() = 0;
  /// From the beginning again: allowed while read_body() has not been called.
  virtual void rewind_body() = 0;
  /// Whether that is still allowed after read_body(): it has found nothing of the body yet.
  [[nodiscard]] virtual bool body_untouched() const noexcept = 0;
  /// The next part of what has come already, without waiting: kMore, kWait, kEnd or kBad.
  virtual BodyPart next_body() = 0;
  /// The next part, waited for: any status but kWait.
  virtual Task<BodyPart> read_body(Duration idle) = 0;
  /// Makes read_body() end with kGone, now and later.
  virtual void cancel_read() noexcept = 0;
  /// Undoes cancel_read() when read_body() has ended.
  virtual void resume_read() noexcept = 0;

  /// From now on `watcher` hears of a client that leaves; null: no more.
  virtual void watch(ClientWatcher* watcher) noexcept = 0;
  /// Likewise of one that has ended its side of a tunnel: it may stay, and leaves by a reset.
  virtual void watch_ended(ClientWatcher* watcher) noexcept = 0;

  /// 100 Continue (RFC 9110 10.1.1), for a client that waits for it.
  virtual Task<bool> write_continue() = 0;
  /// 1xx other than 100 and 101. False: the client is gone; so for all writes.
  virtual Task<bool> write_interim(const routing::ResponseHead& response) = 0;
  /// The head of the final response (or 101) and the first part of its body.
  virtual Task<bool> write_response(
      const routing::ResponseHead& response, const ResponseChanges& changes, const BodyPart& first
  ) = 0;
  virtual Task<bool> write_body(const BodyPart& part) = 0;
  /// An answer of our own. `body_read`: the request has been read to its end.
  virtual Task<bool> write_local_reply(const LocalReply& reply, bool body_read) = 0;

  /// Whether the connection takes another request after this one; decided with the response.
  [[nodiscard]] bool keep_alive() const noexcept { return keep_alive_; }

  /// Ends every wait of this request soon.
  virtual void cancel() noexcept = 0;

 protected:
  DownstreamRequest() = default;
  Origin origin_;
  Sizes sizes_;
  bool keep_alive_ = false;
};

}  // namespace cppx::proxy
