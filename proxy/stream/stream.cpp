#include "proxy/stream/stream.h"

#include "features/strict_transport_security/policy.h"
#include "proxy/codec/http1/head_writer.h"
#include "proxy/worker/worker.h"
#include "routing/http/host.h"
#include "routing/http/path.h"

namespace cppx::proxy {

using routing::BodyFraming;

Stream::Stream(Worker& worker, Downstream& downstream, StreamState& state)
    : worker_(worker),
      downstream_(downstream),
      state_(state),
      snapshot_(worker.snapshots().pin()),
      settings_(*snapshot_->settings),
      body_begin_(downstream.begin),
      abort_check_(worker.wheel(), *this) {}

Task<StreamEnd> Stream::run() {
  ++worker_.counters().requests;
  if (const auto reply = decide()) co_return co_await answer(*reply);
  co_return co_await forward();
}

std::optional<LocalReply> Stream::decide() {
  const routing::RequestHead& request = state_.request;
  client_ = routing::view_client(downstream_.origin(), request, settings_.client_trust);
  const auto* table = snapshot_->find_listener(downstream_.listener.config().name);
  const auto path = routing::normalize_path(request.path, state_.path_scratch);
  if (table == nullptr || !path)
    return LocalReply{.status = table == nullptr ? std::uint16_t{404} : std::uint16_t{400}};
  // HTTP/1.0 without a Host field: nobody's host, and a name that is harmless in a redirect.
  const std::string_view host = request.host.empty()
                                    ? std::string_view("_")
                                    : routing::host_without_port(request.host).value_or("_");
  const routing::RouteMatch match = table->routes->match(host, *path);
  route_ = match.route;
  // Load balancers probe by address: the answer for hosts nobody has configured.
  if (match.host->name == "_" && *path == "/healthz")
    return LocalReply{.status = 200, .empty_body = true};
  if (route_ == nullptr) return LocalReply{.status = 404};
  if (settings_.proxy_body_size_bytes != 0 && request.framing == BodyFraming::kLength &&
      request.content_length > settings_.proxy_body_size_bytes)
    return LocalReply{.status = 413};
  if (match.add_slash) return add_slash_redirect(host);
  if (!route_->policies.empty()) {
    respond_ = features::run_request_filters(
        match, {.tls = downstream_.transport.is_tls(),
                .scheme = client_.scheme,
                .host = host,
                .public_host = client_.host_name.empty() ? host : client_.host_name,
                .target = request.target,
                .path = *path}
    );
    if (respond_.status != 0)
      return LocalReply{.status = respond_.status, .location = respond_.location};
  }
  if (route_->pool == routing::kDefaultBackend) return LocalReply{.status = 404};
  if (snapshot_->pools[route_->pool]->endpoints.empty()) return LocalReply{.status = 503};
  return std::nullopt;
}

std::optional<LocalReply> Stream::add_slash_redirect(std::string_view host) {
  const std::string_view target = state_.request.target;
  const auto path_end = std::min(target.find('?'), target.size());
  location_.append(downstream_.transport.is_tls() ? "https://" : "http://").append(host);
  location_.append(target.substr(0, path_end)).append("/").append(target.substr(path_end));
  return LocalReply{.status = 301, .location = location_};
}

std::string_view Stream::strict_transport_security() const noexcept {
  if (route_ == nullptr || !downstream_.transport.is_tls()) return {};
  const auto* policy = route_->policies.find<features::StrictTransportSecurityPolicy>();
  return policy == nullptr ? std::string_view{} : std::string_view(policy->value);
}

bool Stream::may_keep_alive() const noexcept {
  return state_.request.keep_alive && settings_.keep_alive.count() > 0 && !worker_.draining() &&
         downstream_.requests < settings_.keep_alive_requests;
}

Stream::Body Stream::scan_body() {
  // Tried on the bytes at hand, and puts the position behind them; sending starts over from
  // body_begin_.
  http1::BodyReader& body = state_.request_body;
  body.start(state_.request.framing, state_.request.content_length);
  downstream_.begin = body_begin_;
  for (;;) {
    const auto step = body.next(downstream_.unread());
    downstream_.begin += step.consumed;
    if (step.status == http1::BodyReader::Status::kData) continue;
    if (step.status == http1::BodyReader::Status::kEnd) return Body::kComplete;
    return step.status == http1::BodyReader::Status::kBad ? Body::kBad : Body::kIncomplete;
  }
}

Task<StreamEnd> Stream::answer(LocalReply reply) {
  const bool body_read = scan_body() == Body::kComplete;
  reply.keep_alive = body_read && may_keep_alive() && reply.status != 400 && reply.status != 413;
  reply.head_method = state_.request.head_method;
  reply.strict_transport_security = strict_transport_security();
  const bool written = co_await write_local_reply(worker_, downstream_, reply);
  if (!written) co_return StreamEnd::kAbort;
  if (reply.keep_alive) co_return StreamEnd::kKeepAlive;
  co_return body_read ? StreamEnd::kClose : StreamEnd::kLinger;
}

void Stream::write_upstream_head() {
  request_out_ = worker_.buffers().take_large();
  http1::HeadBuffer out({request_out_.data(), request_out_.size()});
  http1::write_request_head(
      out, state_.request,
      {.client_address = client_.address.view(),
       .scheme = client_.scheme,
       .port = client_.port,
       .request_id = worker_.request_ids().next(),
       .host = client_.host,
       .appended_for =
           client_.append_forwarded_for ? downstream_.address.view() : std::string_view{},
       .forwarded_for_header = settings_.client_trust.forwarded_for_header}
  );
  upstream_head_ = out.ok() ? out.text() : std::string_view{};
}

Task<StreamEnd> Stream::forward() {
  const Body body = scan_body();
  // Refused before any backend hears of it.
  if (body == Body::kBad) co_return co_await answer({.status = 400});
  body_complete_ = body == Body::kComplete;
  write_upstream_head();
  // The head came in at most 32 KiB and at most doubles (X-Original-*): it always fits the large
  // buffer.
  if (upstream_head_.empty()) co_return co_await answer({.status = 431});
  const routing::EndpointPool& pool = *snapshot_->pools[route_->pool];
  bool may_reuse = body_complete_;
  for (std::uint32_t tries = 1;; ++tries) {
    const auto& address = pool.endpoints[worker_.balancer().next(pool)];
    Attempt last = co_await attempt(address, may_reuse);
    if (last != Attempt::kHead && reused_ && may_try_again(last, 0, true)) {
      // A backend may close an idle connection at any moment: that try does not count, and the next
      // one is made on a connection of its own.
      may_reuse = false;
      ++worker_.counters().retries;
      last = co_await attempt(address, false);
    }
    if (last == Attempt::kHead) co_return co_await relay_response();
    if (!may_try_again(last, tries, false)) co_return co_await end_failed(last);
    ++worker_.counters().retries;
  }
}

bool Stream::may_try_again(Attempt last, std::uint32_t tries, bool reused) {
  if (!reused && tries >= settings_.proxy_next_upstream_tries) return false;
  if (last == Attempt::kNotConnected || last == Attempt::kConnectTimeout)
    return upload_ == Upload::kNone;
  if (!body_complete_) return false;
  if (last == Attempt::kTimeout) return !reused && state_.request.idempotent;
  if (last != Attempt::kNoResponse) return false;
  if (state_.request.idempotent || sent_bytes_ == 0) return true;
  // A backend that read the request and then reset the connection may not have acknowledged it yet.
  // One that had closed before the request came has sent its FIN first (the error is then another:
  // EPIPE).
  return !reset_ && upstream_ && upstream_->nothing_acknowledged(sent_bytes_);
}

Task<StreamEnd> Stream::end_failed(Attempt last) {
  upstream_.reset();
  std::uint16_t status = 502;
  switch (last) {
    case Attempt::kClientGone:
      ++worker_.counters().responses[0];
      co_return StreamEnd::kAbort;
    case Attempt::kConnectTimeout:
    case Attempt::kTimeout:
      status = 504;
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
    default:
      break;
  }
  LocalReply reply{.status = status, .strict_transport_security = strict_transport_security()};
  reply.keep_alive = body_complete_ && may_keep_alive();
  reply.head_method = state_.request.head_method;
  const bool written = co_await write_local_reply(worker_, downstream_, reply);
  if (!written) co_return StreamEnd::kAbort;
  if (reply.keep_alive) {
    scan_body();
    co_return StreamEnd::kKeepAlive;
  }
  co_return body_complete_ ? StreamEnd::kClose : StreamEnd::kLinger;
}

void Stream::cut() noexcept {
  client_gone_ = true;
  if (upstream_) upstream_->transport().cancel();
}

void Stream::check_client() noexcept {
  const auto seen = downstream_.transport.peek().status;
  if (seen == IoStatus::kEof || seen == IoStatus::kError) {
    cut();
    return;
  }
  abort_check_.arm(std::chrono::seconds(1));
}

}  // namespace cppx::proxy
