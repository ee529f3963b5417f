// One try to have a request answered by one endpoint: connection, request head and body, response
// head.

#include <cassert>
#include <utility>

#include "features/upstream_proxy_protocol/policy.h"
#include "proxy/stream/proxy_header.h"
#include "proxy/stream/stream.h"
#include "proxy/transport/fair_share.h"
#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

// Interim responses (1xx) in front of one final response; more is a backend gone wrong.
constexpr int kMaxInterim = 16;
// "I am still at it" (RFC 2518 10.1) comes as often as the work takes; but a client that does not
// read makes them pile up.
constexpr int kMaxProcessing = 256;
// All of them together may be so much longer than one head: HTTP/2 keeps what its client does not
// read.
constexpr std::size_t kMaxInterimExcess = 64 * 1024;
constexpr std::size_t kAroundInterimField = 32;

std::size_t interim_bytes(const routing::ResponseHead& response) noexcept {
  std::size_t bytes = kAroundInterimField;
  for (const routing::HeaderField& field : response.fields)
    bytes += field.name.size() + field.value.size() + kAroundInterimField;
  return bytes;
}

}  // namespace

Task<Stream::Attempt> Stream::attempt(const routing::EndpointAddress& address, bool may_reuse) {
  assert(upload_ != Upload::kRunning);
  upload_ = Upload::kNone;
  down_.watch(this);
  const UpstreamKey key = start_upstream(address);
  state_.access.try_begins(address);
  selector_.connecting();
  const auto connected = co_await up_->connect(key, may_reuse);
  selector_.connected();
  if (client_gone_) co_return Attempt::kClientGone;
  if (connected == IoStatus::kTimeout) co_return Attempt::kConnectTimeout;
  if (connected == IoStatus::kCancelled) co_return Attempt::kNoSocket;
  if (connected != IoStatus::kOk) co_return Attempt::kNotConnected;
  if (!up_->reused()) selector_.has_new_connection();
  state_.access.try_connected(up_->reused());
  const auto sent = co_await send_request();
  if (client_gone_) {
    co_await stop_upload();
    co_return Attempt::kClientGone;
  }
  if (sent == IoStatus::kTimeout) co_return Attempt::kTimeout;
  if (const Attempt refused = attempt_of_upload(); refused != Attempt::kHead) co_return refused;
  if (sent != IoStatus::kOk && !up_->begun())
    co_return sent == IoStatus::kCancelled ? Attempt::kHeadTooLarge : Attempt::kNotConnected;
  // After a failed write there may still be an answer: a backend may refuse a body without reading
  // it.
  if (upload_ != Upload::kRunning) up_->arm_read(selector_.timeouts().read);
  const Attempt result = co_await read_response_head();
  if (result == Attempt::kHead) {
    state_.access.try_answered(state_.response.status);
    co_return result;
  }
  co_await stop_upload();
  if (client_gone_) co_return Attempt::kClientGone;
  const Attempt because_of_upload = attempt_of_upload();
  co_return because_of_upload == Attempt::kHead ? result : because_of_upload;
}

UpstreamKey Stream::start_upstream(const routing::EndpointAddress& address) {
  using routing::BackendProtocol;
  const BackendProtocol protocol = route_->protocol;
  if (routing::speaks_http2(protocol)) {
    up_ = &http2_.emplace(worker_, state_, settings_, selector_.timeouts());
    return {.address = address, .tls = protocol == BackendProtocol::kGrpcs};
  }
  up_ = &http1_.emplace(worker_, state_, settings_, selector_.timeouts());
  state_.proxy_header_bytes = 0;
  if (const auto* announce = route_->policies.find<features::UpstreamProxyProtocolPolicy>())
    write_proxy_header(state_, down_.origin(), client_, proxy_protocol::Version{announce->value});
  const bool tls = protocol == BackendProtocol::kHttps ||
                   (protocol == BackendProtocol::kAuto && down_.origin().connection.tls);
  return {.address = address, .tls = tls};
}

Stream::Attempt Stream::attempt_of_upload() const noexcept {
  switch (upload_) {
    case Upload::kClientFailed:
      return Attempt::kClientGone;
    case Upload::kClientTimeout:
      return Attempt::kBodyTimeout;
    case Upload::kBadBody:
      return Attempt::kBadBody;
    case Upload::kTooLarge:
      return Attempt::kTooLarge;
    case Upload::kUpstreamTimeout:
      return Attempt::kTimeout;
    default:
      return Attempt::kHead;
  }
}

bool Stream::accept_part(const BodyPart& part) noexcept {
  body_bytes_ += part.bytes;
  if (part.status == BodyPart::Status::kBad)
    upload_ = Upload::kBadBody;
  else if (part.status == BodyPart::Status::kTimeout)
    upload_ = Upload::kClientTimeout;
  else if (part.failed())
    upload_ = Upload::kClientFailed;
  else if (settings_.proxy_body_size_bytes != 0 && body_bytes_ > settings_.proxy_body_size_bytes)
    upload_ = Upload::kTooLarge;
  else
    return true;
  return false;
}

Task<IoStatus> Stream::send_request() {
  body_bytes_ = 0;
  taken_at_once_ = false;
  down_.rewind_body();
  BodyPart part = down_.next_body();
  if (!accept_part(part)) co_return IoStatus::kCancelled;
  const bool append = client_.append_forwarded_for;
  auto sent = co_await up_->send_request(
      state_.request,
      {.client_address = client_.address.view(),
       .scheme = client_.scheme,
       .port = client_.port,
       .request_id = state_.request_id,
       .websocket_key = state_.websocket_key,
       .host = client_.host,
       .appended_for = append ? down_.origin().connection.address->view() : std::string_view{},
       .forwarded_for_header = settings_.client_trust.forwarded_for_header},
      part
  );
  while (sent == IoStatus::kOk && part.status == BodyPart::Status::kMore) {
    part = down_.next_body();
    if (!accept_part(part)) co_return IoStatus::kCancelled;
    sent = co_await up_->send_body(part);
  }
  const FirstPart first{.unsent = sent == IoStatus::kWantWrite, .end = part.end()};
  taken_at_once_ = sent == IoStatus::kOk && first.end;
  if (taken_at_once_ || (sent != IoStatus::kOk && !first.unsent)) co_return sent;
  // Before anything else is written to the client, which may be slow to take even this.
  if (state_.request.expect_continue && !first.end && !std::exchange(continued_, true)) {
    const bool continued = co_await down_.write_continue();
    if (!continued) {
      upload_ = Upload::kClientFailed;
      co_return IoStatus::kCancelled;
    }
  }
  // The rest of the body comes while the response is waited for.
  up_->disarm_read();
  upload_ = Upload::kRunning;
  upload_ended_.reset();
  spawn(upload(first), [this] { upload_ended_.set(); });
  co_return IoStatus::kOk;
}

Task<void> Stream::upload(FirstPart first) {
  const Upload result = co_await move_body(first);
  upload_ = result;
  if (result == Upload::kDone) {
    up_->arm_read(selector_.timeouts().read);
    down_.watch(this);
  } else if (result == Upload::kUpstreamFailed) {
    // It may have answered without reading all.
    up_->arm_read(selector_.timeouts().read);
  } else {
    // Nothing sensible can come back for half a request.
    up_->cancel();
  }
}

Task<Stream::Upload> Stream::move_body(FirstPart first) {
  if (first.unsent) {
    const auto sent = co_await up_->finish_sending();
    if (sent == IoStatus::kTimeout) co_return Upload::kUpstreamTimeout;
    if (sent != IoStatus::kOk) co_return Upload::kUpstreamFailed;
    if (first.end) co_return Upload::kDone;
  }
  // From here on the client is read, which tells whether it is there.
  down_.watch(nullptr);
  FairShare share(worker_.loop());
  for (;;) {
    co_await share.step();
    const BodyPart part = co_await down_.read_body(settings_.client_body_timeout);
    if (!accept_part(part)) co_return upload_;
    const auto sent = co_await up_->send_body(part);
    if (sent == IoStatus::kTimeout) co_return Upload::kUpstreamTimeout;
    if (sent != IoStatus::kOk) co_return Upload::kUpstreamFailed;
    if (part.end()) co_return Upload::kDone;
  }
}

Task<void> Stream::stop_upload() {
  if (upload_ != Upload::kRunning) co_return;
  down_.cancel_read();
  up_->cancel_send();
  co_await upload_ended_;
  down_.resume_read();
  // Whatever upload() made of being stopped: the body did not reach its end.
  upload_ = Upload::kUpstreamFailed;
}

// RFC 9110 7.8: to what the client has offered, and to nothing else.
bool Stream::switches_as_asked() const noexcept {
  const std::string_view chosen = state_.response.upgrade_protocol;
  return state_.request.upgrade && !chosen.empty() &&
         routing::has_tokens(state_.request.upgrade_protocol, chosen);
}

Task<Stream::Attempt> Stream::read_response_head() {
  FairShare share(worker_.loop());
  int processing = 0;
  std::size_t bytes = 0;
  for (int interim = 0; interim < kMaxInterim && processing < kMaxProcessing;) {
    co_await share.step();
    const auto status = co_await up_->read_head(state_.response);
    if (status == UpstreamRequest::HeadStatus::kTimeout) co_return Attempt::kTimeout;
    if (status == UpstreamRequest::HeadStatus::kNoResponse) co_return Attempt::kNoResponse;
    if (status == UpstreamRequest::HeadStatus::kBadResponse) co_return Attempt::kBadResponse;
    if (state_.response.status == 101)
      co_return taken_at_once_&& switches_as_asked() ? Attempt::kHead : Attempt::kBadResponse;
    if (state_.response.status >= 200)
      co_return down_.origin().tunnel_only&& state_.response.status < 300 ? Attempt::kBadResponse
                                                                          : Attempt::kHead;
    if (upload_ != Upload::kRunning) up_->arm_read(selector_.timeouts().read);
    ++(state_.response.status == 102 ? processing : interim);
    // 100 is ours to send (RFC 9110 10.1.1).
    if (state_.response.status == 100) continue;
    bytes += interim_bytes(state_.response);
    if (bytes > settings_.proxy_header_bytes + kMaxInterimExcess) co_return Attempt::kBadResponse;
    const bool passed_on = co_await down_.write_interim(state_.response);
    if (passed_on) continue;
    client_gone_ = true;
    co_return Attempt::kClientGone;
  }
  co_return Attempt::kBadResponse;
}

}  // namespace cppx::proxy
