#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "proxy/codec/head_fields.h"
#include "proxy/coro/task.h"
#include "proxy/stream/body_part.h"
#include "proxy/transport/transport.h"
#include "proxy/upstream/upstream_connection.h"
#include "routing/http/message.h"
#include "routing/settings.h"

namespace cppx::proxy {

/// One try of a request with one endpoint: what a Stream knows of the backend's side, whatever the
/// protocol. Calls in this order: connect, send_request, then send_body and read_head/read_body
/// side by side, finish. One sender and one reader at a time.
class UpstreamRequest {
 public:
  using Duration = std::chrono::milliseconds;

  virtual ~UpstreamRequest() = default;
  UpstreamRequest(const UpstreamRequest&) = delete;
  UpstreamRequest& operator=(const UpstreamRequest&) = delete;

  /// A connection for `key`: one that is there already if `may_reuse`, or a new one.
  virtual Task<IoStatus> connect(const UpstreamKey& key, bool may_reuse) = 0;
  /// Whether the connection has served before: it may have been closed by now.
  [[nodiscard]] bool reused() const noexcept { return reused_; }
  /// Whether a failure now may be that of a connection that has served before, and that the backend
  /// has closed since, or was about to.
  [[nodiscard]] virtual bool went_stale() noexcept { return reused_; }
  /// Whether a failure now is one of a new connection, that no other request has told of.
  [[nodiscard]] virtual bool fails_with_new_connection() noexcept { return !reused_; }

  /// The head, and the first part of the body. kCancelled with nothing begun(): the head is too
  /// large to be sent. kWantWrite: the backend has answered before it took all of `first`, which
  /// has to stay until finish_sending() has given it the rest.
  virtual Task<IoStatus> send_request(
      const routing::RequestHead& request, const ForwardedInfo& forwarded, const BodyPart& first
  ) = 0;
  virtual Task<IoStatus> finish_sending() { co_return IoStatus::kOk; }
  /// Whether anything has been sent.
  [[nodiscard]] virtual bool begun() const noexcept = 0;
  virtual Task<IoStatus> send_body(const BodyPart& part) = 0;
  virtual void cancel_send() noexcept = 0;
  /// Whether the backend cannot have acted on what was sent, so that it may be sent again whatever
  /// the method.
  [[nodiscard]] virtual bool untouched() noexcept = 0;

  enum class HeadStatus : std::uint8_t {
    kHead,        ///< `response` is an interim head (1xx), 101 or the final one.
    kNoResponse,  ///< The connection ended before a complete head.
    kTimeout,
    kBadResponse,  ///< Refused by the validator.
  };
  /// The next head; its views are good until the first read_body().
  virtual Task<HeadStatus> read_head(routing::ResponseHead& response) = 0;
  /// The next part of what has come already, without waiting: kMore, kWait, kEnd or kBad.
  virtual BodyPart next_body() = 0;
  virtual Task<BodyPart> read_body() = 0;
  /// read_head() and read_body() have until `after` has passed; replaces what was armed before.
  virtual void arm_read(Duration after) noexcept = 0;
  virtual void disarm_read() noexcept = 0;

  /// Makes every wait end soon; the backend learns that nobody waits for its answer any more.
  virtual void cancel() noexcept = 0;
  /// The exchange is over. `complete`: request and response went through whole, and what carried
  /// them may be used again.
  virtual void finish(bool complete) noexcept = 0;

 protected:
  UpstreamRequest() = default;
  bool reused_ = false;
};

}  // namespace cppx::proxy
