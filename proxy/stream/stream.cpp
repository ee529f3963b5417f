#include "proxy/stream/stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "features/decision.h"
#include "features/rate_limit/policy.h"
#include "features/strict_transport_security/policy.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {

namespace {

// A little more than a client's kernel waits before it sends what is small (Nagle's algorithm and
// delayed acknowledgements), and its way.
constexpr std::chrono::milliseconds kBodyPatience{250};

/// A WebSocket that came over HTTP/2 has none (RFC 8441 5); an HTTP/1.1 backend needs one.
bool lacks_websocket_key(const routing::HeaderFields& fields) noexcept {
  return std::ranges::none_of(fields, [](const routing::HeaderField& field) {
    return iequals(field.name, "sec-websocket-key");
  });
}

}  // namespace

Stream::Stream(Worker& worker, DownstreamRequest& down, StreamState& state, SnapshotPin snapshot)
    : worker_(worker),
      down_(down),
      state_(state),
      snapshot_(std::move(snapshot)),
      settings_(*snapshot_->settings),
      selector_(worker.balancer(), worker.retry_budget()),
      tunnel_idle_(worker.wheel(), *this) {
  state_.request_id.clear();
  // Switched on or off since the head began to come.
  if (state_.access.enabled() != settings_.access_log.enabled)
    state_.access.begin(settings_.access_log.enabled);
}

Task<StreamEnd> Stream::run() {
  ++worker_.counters().requests;
  const auto end = co_await decide_and_forward();
  if (state_.access.enabled()) log_request();
  if (end != StreamEnd::kLinger || !down_.keep_alive()) co_return end;
  // The client has been told that the connection goes on; nobody else is to wait for it.
  selector_.release();
  counted_ = CountedRequest();
  const bool read_out = co_await down_.read_out();
  co_return read_out ? StreamEnd::kComplete : StreamEnd::kLinger;
}

Task<StreamEnd> Stream::decide_and_forward() {
  if (const auto reply = decide()) {
    const auto end = co_await answer(*reply);
    co_return end;
  }
  const auto end = co_await forward();
  co_return end;
}

Task<StreamEnd> Stream::refuse(std::uint16_t status) {
  ++worker_.counters().requests;
  const auto end = co_await answer({.status = status});
  if (state_.access.enabled()) log_request();
  co_return end;
}

std::optional<LocalReply> Stream::decide() {
  using features::Outcome;
  const routing::RequestHead& request = state_.request;
  const DownstreamRequest::Origin& origin = down_.origin();
  client_ = routing::view_client(origin.connection, request, settings_.client_trust);
  const features::FoundRoute found =
      features::find_route(*snapshot_, origin.listener, request, state_.path_scratch);
  host_ = found.match.host;
  route_ = found.match.route;
  path_ = found.path;
  if (found.outcome == Outcome::kHealthProbe) {
    state_.access.skip();
    return LocalReply{.status = 200, .empty_body = true};
  }
  if (host_ != nullptr && worker_.short_of_memory()) {
    ++worker_.counters().requests_short_of_memory;
    return LocalReply{.status = 503};
  }
  if (found.outcome != Outcome::kForward)
    return LocalReply{.status = features::status_of(found.outcome)};
  features::Decision decision =
      features::decide(*snapshot_, found, request, origin.connection, client_);
  respond_ = std::move(decision.respond);
  const bool default_backend = decision.outcome == Outcome::kDefaultBackend;
  if (respond_.status != 0 && !default_backend)
    return LocalReply{.status = respond_.status, .location = respond_.location};
  if (const auto status = check_limits(); status != 0) return LocalReply{.status = status};
  if (default_backend) return LocalReply{.status = respond_.status};
  return std::nullopt;
}

std::uint16_t Stream::check_limits() {
  const auto* policy = route_->policies.find<features::RateLimitPolicy>();
  if (policy == nullptr) return 0;
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch()
  );
  const auto status = worker_.limits().admit(
      policy->value, client_.address.ip(), static_cast<std::uint64_t>(now.count()), counted_
  );
  if (status != 0) ++worker_.counters().requests_limited;
  return status;
}

std::string_view Stream::strict_transport_security() const noexcept {
  if (route_ == nullptr || !down_.origin().connection.tls) return {};
  const auto* policy = route_->policies.find<features::StrictTransportSecurityPolicy>();
  return policy == nullptr ? std::string_view{} : std::string_view(policy->value);
}

Task<StreamEnd> Stream::answer(LocalReply reply) {
  // Once the body has been moved on, what is left of it cannot be told any more.
  const bool body_read = upload_ == Upload::kNone && down_.body_at_hand() == BodyAtHand::kComplete;
  reply.strict_transport_security = strict_transport_security();
  ++worker_.counters().responses[reply.status / 100U];
  status_ = reply.status;
  const bool written = co_await down_.write_local_reply(reply, body_read);
  if (!written) co_return StreamEnd::kAbort;
  co_return body_read ? StreamEnd::kComplete : StreamEnd::kLinger;
}

Task<StreamEnd> Stream::forward() {
  BodyAtHand body = down_.body_at_hand();
  // What is whole can be sent again, and so may go on a connection that has been idle: a body that
  // comes right after its head, in a segment of its own, shall not cost a connection each time.
  if (body == BodyAtHand::kIncomplete && !routing::speaks_http2(route_->protocol) &&
      !state_.request.expect_continue) {
    body = co_await down_.wait_for_body(kBodyPatience);
    if (client_gone_ || body == BodyAtHand::kGone) {
      ++worker_.counters().responses[0];
      co_return StreamEnd::kAbort;
    }
  }
  // Refused before any backend hears of it.
  if (body == BodyAtHand::kBad) {
    const auto end = co_await answer({.status = 400});
    co_return end;
  }
  if (state_.request.upgrade && routing::speaks_http2(route_->protocol)) {
    // A client of HTTP/1.1 may be answered as if it had not asked (RFC 9110 7.8).
    if (down_.origin().tunnel_only) {
      const auto end = co_await answer({.status = 501});
      co_return end;
    }
    state_.request.upgrade = false;
  }
  body_complete_ = body == BodyAtHand::kComplete;
  state_.request_id = worker_.request_ids().next();
  state_.websocket_key.clear();
  // A client of HTTP/1.1 without one is the backend's to refuse (RFC 6455 4.2.1).
  if (down_.origin().tunnel_only && lacks_websocket_key(state_.request.fields))
    state_.websocket_key = worker_.request_ids().next_websocket_key();
  selector_.begin(
      {.snapshot = *snapshot_,
       .route = *route_,
       .head = state_.request,
       .client_address = client_.address.view()}
  );
  for (bool may_reuse = body_complete_;;) {
    const auto* address = selector_.next(worker_.snapshots().current());
    if (address == nullptr) {
      const auto end = co_await answer({.status = 503});
      co_return end;
    }
    Attempt last = co_await attempt(*address, may_reuse);
    note_failure(last);
    if (last != Attempt::kHead && up_->went_stale() &&
        selector_.may_retry_on_new_connection(
            ended_try(last), *address, worker_.snapshots().current()
        )) {
      // A backend may close an idle connection at any moment: that try does not count, and the next
      // one is made on a connection of its own.
      may_reuse = false;
      ++worker_.counters().retries;
      last = co_await attempt(*address, false);
      note_failure(last);
    }
    if (!selector_.after_try(ended_try(last))) {
      const auto end = co_await end_tries(last);
      co_return end;
    }
    ++worker_.counters().retries;
    state_.access.try_ends();
    up_->finish(false);
  }
}

EndedTry Stream::ended_try(Attempt last) {
  EndedTry ended{
      .end = TryEnd::kOther,
      .status = state_.response.status,
      .idempotent = state_.request.idempotent,
      // Never while upload() is at it.
      .replayable = upload_ != Upload::kRunning && (body_complete_ || down_.body_untouched()),
      .body_begun = upload_ != Upload::kNone,
      .new_connection = up_->fails_with_new_connection()
  };
  switch (last) {
    case Attempt::kHead:
      ended.end = TryEnd::kResponse;
      break;
    case Attempt::kNotConnected:
      ended.end = TryEnd::kNotConnected;
      break;
    case Attempt::kConnectTimeout:
      ended.end = TryEnd::kConnectTimeout;
      break;
    case Attempt::kTimeout:
      ended.end = TryEnd::kTimeout;
      break;
    case Attempt::kBadResponse:
      ended.end = TryEnd::kBadResponse;
      break;
    case Attempt::kNoResponse:
      ended.end = TryEnd::kNoResponse;
      ended.untouched = up_->untouched();
      break;
    default:
      break;
  }
  return ended;
}

Task<StreamEnd> Stream::end_tries(Attempt last) {
  StreamEnd end = StreamEnd::kAbort;
  if (last == Attempt::kHead)
    end = co_await relay_response();
  else
    end = co_await end_failed(last);
  co_return end;
}

Task<StreamEnd> Stream::end_failed(Attempt last) {
  up_->finish(false);
  down_.watch(nullptr);
  if (last == Attempt::kClientGone) {
    ++worker_.counters().responses[0];
    co_return StreamEnd::kAbort;
  }
  std::uint16_t status = 502;
  switch (last) {
    case Attempt::kConnectTimeout:
    case Attempt::kTimeout:
      status = 504;
      break;
    case Attempt::kNoSocket:
      status = 503;
      break;
    case Attempt::kTooLarge:
      status = 413;
      break;
    case Attempt::kBodyTimeout:
      status = 408;
      break;
    case Attempt::kBadBody:
      status = 400;
      break;
    case Attempt::kHeadTooLarge:
      status = 431;
      break;
    default:
      break;
  }
  const auto end = co_await answer({.status = status});
  co_return end;
}

void Stream::cut() noexcept {
  client_gone_ = true;
  if (up_ != nullptr) up_->cancel();
}

}  // namespace cppx::proxy
