#pragma once
// The proxy folder: from a client's bytes to a backend's and back, on workers that share nothing.
//
//   Listener → Connection (TLS, one request after the other) → Stream (one request and its
//   response)
//     Stream: RequestHead → RoutingTable → filters → Balancer → UpstreamPool → UpstreamConnection
//     bodies both ways through BodyReader and BodyGather; Upgrade through the tunnel; early answers
//     through LocalReply
//
// Asio, llhttp and OpenSSL live here. May include: tls, features, routing, base. Never: controller.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "features/features.h"
#include "proxy/coro/task.h"
#include "proxy/stream/downstream.h"
#include "proxy/stream/local_reply.h"
#include "proxy/stream/stream_state.h"
#include "proxy/upstream/upstream_connection.h"
#include "proxy/worker/local_snapshot.h"
#include "routing/client/client_view.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

class Worker;

/// What becomes of the client's connection after a request.
enum class StreamEnd : std::uint8_t {
  kKeepAlive,
  kClose,   ///< In an orderly way.
  kLinger,  ///< In an orderly way, after throwing away what the client still sends.
  kAbort,   ///< With a reset: the response is not complete, and the client must notice.
};

/// One request and its response. The head has been read and validated, its body begins at
/// downstream.begin. Runs once, under one snapshot.
class Stream {
 public:
  Stream(Worker& worker, Downstream& downstream, StreamState& state);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Task<StreamEnd> run();
  /// Makes run() end soon, whatever it waits for.
  void cut() noexcept;

 private:
  /// How one attempt with one endpoint ended.
  enum class Attempt : std::uint8_t {
    kHead,  ///< The head of the final response is in state_.response.
    kNotConnected,
    kConnectTimeout,
    kNoResponse,  ///< The connection ended before a complete head.
    kTimeout,
    kBadResponse,  ///< Not HTTP, or refused by the validator.
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
  std::optional<LocalReply> add_slash_redirect(std::string_view host);
  Task<StreamEnd> answer(LocalReply reply);
  Task<StreamEnd> forward();
  Task<StreamEnd> end_failed(Attempt last);
  [[nodiscard]] bool may_try_again(Attempt last, std::uint32_t tries, bool reused);
  enum class Body : std::uint8_t { kComplete, kIncomplete, kBad };
  Body scan_body();
  void write_upstream_head();
  [[nodiscard]] bool may_keep_alive() const noexcept;

  // attempt.cpp: one try with one endpoint
  Task<Attempt> attempt(const routing::EndpointAddress& address, bool may_reuse);
  Task<IoStatus> acquire(const routing::EndpointAddress& address, bool may_reuse);
  Task<IoStatus> send_request();
  Task<Attempt> read_response_head();
  Task<bool> forward_interim();
  Task<void> upload();
  Task<Upload> move_body();
  Task<IoStatus> send_body_pieces(std::string_view lead);
  Task<void> stop_upload();
  Task<void> send_continue();
  [[nodiscard]] Attempt attempt_of_upload() const noexcept;

  // relay.cpp: the response
  Task<StreamEnd> relay_response();
  Task<bool> relay_body(std::string_view head, bool chunked);
  StreamEnd finish_response(bool complete, bool keep_alive);
  Task<StreamEnd> tunnel();
  Task<void> pump(Transport& from, Transport& to, std::span<char> memory);
  [[nodiscard]] std::string_view strict_transport_security() const noexcept;

  /// Looks once a second whether the client is still there while only the backend is waited for.
  struct AbortCheck final : Deadline {
    AbortCheck(TimerWheel& wheel, Stream& owner) noexcept : Deadline(wheel), stream(owner) {}
    void expired() override { stream.check_client(); }
    Stream& stream;
  };
  void check_client() noexcept;

  Worker& worker_;
  Downstream& downstream_;
  StreamState& state_;
  SnapshotPin snapshot_;
  const routing::ProxySettings& settings_;
  const routing::Route* route_ = nullptr;
  routing::ClientView client_;
  features::Respond respond_;  // keeps the text a LocalReply refers to
  std::string location_;
  const std::size_t body_begin_;  // in downstream_.input
  bool body_complete_ = false;  // all of it is in downstream_.input: the request can be sent again
  std::uint64_t body_bytes_ = 0;
  Buffer request_out_;
  std::string_view upstream_head_;
  std::size_t sent_bytes_ = 0;  // to the upstream in this attempt
  UpstreamPtr upstream_;
  bool reused_ = false;
  bool reset_ = false;  // the upstream connection was reset without having been ended before
  Buffer response_in_;
  std::size_t response_begin_ = 0;
  std::size_t response_end_ = 0;
  Upload upload_ = Upload::kNone;
  Event upload_ended_;
  bool client_gone_ = false;
  AbortCheck abort_check_;
};

}  // namespace cppx::proxy
