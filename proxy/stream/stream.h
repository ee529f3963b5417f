#pragma once
// The proxy folder: from a client's bytes to a backend's and back, on workers that share nothing.
//
//   Listener → Connection (TLS, one request after the other) → Stream (one request and its
//   response)
//     Stream: RequestHead → RoutingTable → filters → UpstreamSelector → UpstreamRequest
//     DownstreamRequest ⇄ Stream ⇄ UpstreamRequest: heads and body parts, whatever the protocols on
//     the two sides; early answers through LocalReply
//
// llhttp, nghttp2 and OpenSSL live here. May include: tls, features, routing, base. Never:
// controller.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "features/features.h"
#include "proxy/coro/task.h"
#include "proxy/limit/request_count_table.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/stream/http1/http1_upstream.h"
#include "proxy/stream/http2/http2_upstream.h"
#include "proxy/stream/local_reply.h"
#include "proxy/stream/stream_state.h"
#include "proxy/upstream/upstream_request.h"
#include "proxy/upstream/upstream_selector.h"
#include "proxy/worker/local_snapshot.h"
#include "proxy/worker/timer_wheel.h"
#include "routing/client/client_view.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

class Worker;

/// How a request ended, for the connection that it came on.
enum class StreamEnd : std::uint8_t {
  kComplete,  ///< Request and response went through whole.
  kLinger,    ///< The response is complete; the request was not read to its end.
  kAbort,     ///< The response is not complete, and the client must notice.
};

/// One request and its response, under one snapshot. Runs once.
class Stream final : private ClientWatcher {
 public:
  /// `snapshot` is pinned for as long as the stream lives; the head is in state.request.
  Stream(Worker& worker, DownstreamRequest& down, StreamState& state, SnapshotPin snapshot);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Task<StreamEnd> run();
  /// Answers what was no valid request, instead of run().
  Task<StreamEnd> refuse(std::uint16_t status);
  /// Makes run() end soon, whatever it waits for: the client is gone.
  void cut() noexcept;

 private:
  /// How one attempt with one endpoint ended.
  enum class Attempt : std::uint8_t {
    kHead,      ///< The head of the final response is in state_.response.
    kNoSocket,  ///< There are no descriptors for one.
    kNotConnected,
    kConnectTimeout,
    kNoResponse,  ///< The connection ended before a complete head.
    kTimeout,
    kHeadTooLarge,  ///< The head does not fit what may be sent to a backend.
    kBadResponse,   ///< Not HTTP, or refused by the validator.
    kClientGone,
    kTooLarge,     ///< The request's body grew over its limit.
    kBodyTimeout,  ///< The client stopped sending its body.
    kBadBody,      ///< The client's chunks are malformed.
  };

  /// How the request's body went when it is moved by upload().
  enum class Upload : std::uint8_t {
    kNone,
    kRunning,
    kDone,
    kClientFailed,
    kClientTimeout,
    kBadBody,
    kTooLarge,
    kUpstreamFailed,
    kUpstreamTimeout,
  };

  // stream.cpp: decide, answer, retry
  std::optional<LocalReply> decide();
  [[nodiscard]] std::uint16_t check_limits();
  Task<StreamEnd> answer(LocalReply reply);
  Task<StreamEnd> forward();
  Task<StreamEnd> end_tries(Attempt last);
  Task<StreamEnd> end_failed(Attempt last);
  [[nodiscard]] EndedTry ended_try(Attempt last);
  [[nodiscard]] std::string_view strict_transport_security() const noexcept;
  Task<StreamEnd> decide_and_forward();

  // access.cpp: what the access log tells of it
  [[nodiscard]] bool is_logged() const noexcept;
  void log_request();
  /// Ends the try in the record when it brought no response.
  void note_failure(Attempt last) noexcept;

  // attempt.cpp: one try with one endpoint
  Task<Attempt> attempt(const routing::EndpointAddress& address, bool may_reuse);
  /// `up_` for the protocol of the route, and the key of its connections.
  UpstreamKey start_upstream(const routing::EndpointAddress& address);
  Task<IoStatus> send_request();
  Task<Attempt> read_response_head();
  /// What upload() begins with: a first part that was given to the backend.
  struct FirstPart {
    bool unsent = false;  // some of it is to be sent still
    bool end = false;     // it was all of the body
  };
  Task<void> upload(FirstPart first);
  Task<Upload> move_body(FirstPart first);
  Task<void> stop_upload();
  [[nodiscard]] bool accept_part(const BodyPart& part) noexcept;
  /// Nothing of the request is left unread: what follows it is the next one.
  [[nodiscard]] bool body_taken() const noexcept {
    return upload_ == Upload::kNone ? taken_at_once_ : upload_ == Upload::kDone;
  }
  [[nodiscard]] Attempt attempt_of_upload() const noexcept;
  /// Whether the backend's 101 is an answer to what was asked for.
  [[nodiscard]] bool switches_as_asked() const noexcept;

  // relay.cpp: the response, and the tunnel after 101
  Task<StreamEnd> relay_response();
  void note_received(const BodyPart& part) noexcept;
  Task<bool> relay_body(BodyPart part);
  Task<StreamEnd> tunnel();
  Task<void> tunnel_up();
  Task<void> tunnel_down();

  void on_client_gone() noexcept override { cut(); }

  /// A tunnel without bytes in either direction ends. Those that are being written have deadlines
  /// of their own.
  struct TunnelIdle final : Deadline {
    TunnelIdle(TimerWheel& wheel, Stream& owner) noexcept : Deadline(wheel), stream(owner) {}
    void expired() override {
      if (stream.tunnel_writes_ == 0) stream.end_tunnel();
    }
    Stream& stream;
  };
  void end_tunnel() noexcept;

  Worker& worker_;
  DownstreamRequest& down_;
  StreamState& state_;
  SnapshotPin snapshot_;
  const routing::ProxySettings& settings_;
  const routing::VirtualHost* host_ = nullptr;  // that matched
  const routing::Route* route_ = nullptr;
  std::string_view path_;     // normalised
  std::uint16_t status_ = 0;  // of the final response
  routing::ClientView client_;
  CountedRequest counted_;      // where the route limits them
  features::Respond respond_;   // keeps the text a LocalReply refers to
  bool body_complete_ = false;  // all of it is at hand: the request can be sent again
  std::uint64_t body_bytes_ = 0;
  UpstreamSelector selector_;
  std::optional<Http1Upstream> http1_;
  std::optional<Http2Upstream> http2_;
  UpstreamRequest* up_ = nullptr;  // of the attempt in progress
  Upload upload_ = Upload::kNone;
  bool taken_at_once_ = false;  // the whole body was at hand
  bool continued_ = false;      // 100 was sent
  Event upload_ended_;
  bool client_gone_ = false;
  std::uint8_t tunnel_writes_ = 0;  // in progress
  TunnelIdle tunnel_idle_;
};

}  // namespace cppx::proxy
