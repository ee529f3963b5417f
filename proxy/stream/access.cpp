#include "proxy/stream/access.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "proxy/codec/head_fields.h"
#include "proxy/stream/downstream_request.h"
#include "proxy/stream/stream.h"
#include "proxy/worker/worker.h"
#include "routing/policy.h"

namespace cppx::proxy {
namespace {

using routing::HeaderId;

// What nginx logs for a client that left without having been sent anything.
constexpr std::uint16_t kClientClosedRequest = 499;

std::chrono::milliseconds between(
    AccessRecord::Clock::time_point begin, AccessRecord::Clock::time_point end
) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(end - begin);
}

/// Bytes of a head that came over HTTP/2, as it would be in HTTP/1.1: what has been compressed has
/// no size of its own.
std::uint64_t text_bytes(const routing::RequestHead& head) noexcept {
  constexpr std::size_t kAroundLine = 13;  // two spaces, "HTTP/2.0", and the ends of line and head
  constexpr std::size_t kAroundField = 4;
  constexpr std::size_t kHostName = 4;
  std::uint64_t bytes = head.method.size() + head.target.size() + kAroundLine;
  bytes += kHostName + head.host.size() + kAroundField;
  for (const routing::HeaderField& field : head.fields)
    bytes += field.name.size() + field.value.size() + kAroundField;
  return bytes;
}

}  // namespace

std::string_view first_line(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

AccessFacts facts_of(const Downstream& connection, const routing::LogFormat& format) {
  const Transport& transport = connection.transport;
  AccessFacts facts{
      .client_address = connection.address.view(),
      .client_port = connection.address.port(),
      .connection_address = connection.peer().view(),
      .announced_address = connection.announced ? connection.address.view() : std::string_view(),
      .connection = connection.number,
      .connection_requests = connection.requests,
      .server_port = connection.listener.config().port,
      .over_tls = transport.is_tls(),
      .server_name = "_",
  };
  if (format.uses_tls() && transport.is_tls())
    facts.tls = {
        .protocol = transport.tls_protocol(),
        .cipher = transport.tls_cipher(),
        .server_name = transport.tls_server_name()
    };
  return facts;
}

void log_refusal(Worker& worker, const Downstream& connection, const Refusal& refusal) {
  const routing::AccessLogSettings& settings = worker.snapshots().current().settings->access_log;
  if (!settings.enabled) return;
  const auto now = AccessRecord::Clock::now();
  AccessFacts facts = facts_of(connection, settings.format);
  facts.request = refusal.head;
  facts.request_line = first_line(connection.unread());
  facts.request_id = worker.request_ids().next();
  if (refusal.head != nullptr && !refusal.head->method.empty())
    facts.protocol = refusal.head->minor_version == 0 ? kHttp10 : kHttp11;
  facts.status = refusal.sent_bytes == 0 ? kClientClosedRequest : refusal.status;
  facts.request_bytes = connection.unread().size();
  facts.sent_bytes = refusal.sent_bytes;
  facts.sent_body_bytes =
      refusal.sent_bytes - std::min(refusal.sent_bytes, refusal.sent_head_bytes);
  facts.duration = between(refusal.started, now);
  worker.access_log().write(settings, facts, now);
}

void Stream::note_failure(Attempt last) noexcept {
  switch (last) {
    case Attempt::kHead:
      return;
    case Attempt::kNotConnected:
    case Attempt::kNoResponse:
    case Attempt::kBadResponse:
      state_.access.try_ends(502);
      return;
    case Attempt::kConnectTimeout:
    case Attempt::kTimeout:
      state_.access.try_ends(504);
      return;
    default:  // not the backend's doing
      state_.access.try_ends();
      return;
  }
}

bool Stream::is_logged() const noexcept {
  const routing::AccessLogSettings& settings = settings_.access_log;
  if (route_ != nullptr && route_->policies.has(routing::Feature::kAccessLog)) return false;
  if (settings.skips(state_.request.target)) return false;
  const bool has_rule = route_ != nullptr && !route_->origin.ingress.empty();
  return settings.default_backend || has_rule || host_ == nullptr || host_->name != "_";
}

void Stream::log_request() {
  if (!is_logged()) return;
  const auto now = AccessRecord::Clock::now();
  const DownstreamRequest::Origin& origin = down_.origin();
  const DownstreamRequest::Sizes& sizes = down_.sizes();
  const routing::RequestHead& request = state_.request;
  AccessFacts facts = facts_of(*origin.side, settings_.access_log.format);
  if (!request.method.empty()) {
    facts.request = &request;
    facts.request_line = state_.access.request_line();
    facts.protocol = origin.protocol;
    facts.request_id = find_value(request.fields, HeaderId::kXRequestId);
  }
  if (facts.request_id.empty())
    facts.request_id = state_.request_id.empty() ? worker_.request_ids().next()
                                                 : std::string_view(state_.request_id);
  facts.normalized_path = path_;
  if (!client_.address.view().empty()) {
    facts.client_address = client_.address.view();
    facts.client_port = client_.address.port();
  }
  if (host_ != nullptr) facts.server_name = host_->name;
  facts.route = route_;
  facts.default_backend =
      host_ != nullptr && (route_ == nullptr || route_->pool == routing::kDefaultBackend);
  facts.status = sizes.sent == 0 || status_ == 0 ? kClientClosedRequest : status_;
  facts.request_bytes = sizes.request + (origin.protocol == kHttp2 ? text_bytes(request) : 0);
  facts.sent_bytes = sizes.sent;
  facts.sent_body_bytes = sizes.sent - std::min(sizes.sent, sizes.sent_head);
  facts.duration = between(state_.access.started(), now);
  facts.tries = state_.access.tries();
  worker_.access_log().write(settings_.access_log, facts, now);
}

}  // namespace cppx::proxy
