#include "controller/explain/explanation.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "controller/explain/bypassed.h"
#include "controller/explain/request.h"
#include "features/decision.h"
#include "features/https_redirect/policy.h"
#include "routing/client/client_address.h"
#include "routing/client/client_view.h"
#include "routing/client/ip_address.h"
#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"
#include "routing/match/route.h"
#include "routing/policy.h"
#include "routing/snapshot.h"
#include "tls/certificate.h"
#include "tls/sni_table.h"

namespace cppx::controller {
namespace {

using features::Outcome;

routing::RequestHead head_of(const ExplainRequest& request) {
  routing::RequestHead head;
  head.method = request.method;
  head.target = request.target;
  head.path = head.target.substr(0, head.target.find('?'));
  head.host = request.authority;
  head.idempotent = routing::is_idempotent(request.method);
  head.head_method = request.method == "HEAD";
  for (const auto& [name, value] : request.fields) {
    if (head.fields.full()) break;
    const auto id = routing::header_id(name);
    head.fields.push({.name = name, .value = value, .id = id});
    if (id != routing::HeaderId::kContentLength) continue;
    if (const auto length = parse_int<std::uint64_t>(value)) {
      head.framing = routing::BodyFraming::kLength;
      head.content_length = *length;
      head.has_content_length = true;
    }
  }
  return head;
}

ExplainedRoute route_of(const features::FoundRoute& found) {
  const routing::Route& route = *found.match.route;
  ExplainedRoute out{
      .host = found.match.host->name,
      .path = route.path,
      .path_type = std::string(routing::to_string(route.path_type)),
      .ns = route.origin.ns,
      .ingress = route.origin.ingress,
      .field = {},
      .service = route.origin.service,
      .service_port = route.origin.service_port,
      .protocol = std::string(routing::to_string(route.protocol)),
      .policies = {}
  };
  for (auto i = 0U; i < static_cast<unsigned>(routing::Feature::kCount); ++i) {
    const auto feature = static_cast<routing::Feature>(i);
    if (const routing::Policy* policy = route.policies.find(feature))
      out.policies.emplace_back(routing::to_string(feature), policy->describe());
  }
  return out;
}

ExplainedPool pool_of(const routing::EndpointPool& pool) {
  ExplainedPool out{
      .name = pool.name, .status = std::string(routing::to_string(pool.status)), .endpoints = {}
  };
  for (const auto& endpoint : pool.endpoints) out.endpoints.push_back(endpoint.to_string());
  return out;
}

std::optional<ExplainedCertificate> certificate_of(
    const ExplainRequest& request, const ExplainInput& input
) {
  const auto* listener = input.snapshot.find_listener(routing::kHttpsListener);
  if (!request.tls || listener == nullptr || listener->certificates == nullptr) return std::nullopt;
  const tls::Certificate& shown = listener->certificates->find(request.server_name);
  return ExplainedCertificate{
      .secret = shown.origin(),
      .names = shown.names(),
      .covers = shown.covers(request.server_name),
      .fallback = &shown == &listener->certificates->fallback(),
      .expired = shown.expired(input.now),
      .not_after = shown.not_after()
  };
}

std::string why_no_endpoints(const routing::EndpointPool& pool) {
  switch (pool.status) {
    case routing::PoolStatus::kNoService:
      return "its Service does not exist";
    case routing::PoolStatus::kNoPort:
      return "its Service has no such port";
    case routing::PoolStatus::kNotResolved:
      return "its external name has not been resolved";
    case routing::PoolStatus::kRefused:
      return "its external name may not be used";
    case routing::PoolStatus::kReady:
    case routing::PoolStatus::kNoEndpoints:
      break;
  }
  return "its Service has no ready endpoint";
}

std::string no_path(std::string_view host) {
  return host == "_"
             ? std::string("no rule has the host")
             : fmt::format("host {} is there, but none of its paths takes the request", host);
}

std::string message_of(
    const features::FoundRoute& found, const features::Decision& decision,
    const routing::Snapshot& snapshot
) {
  const routing::Route* route = found.match.route;
  switch (decision.outcome) {
    case Outcome::kForward:
      return fmt::format("forwarded to pool {}", snapshot.pools[route->pool]->name);
    case Outcome::kNoListener:
      return "nothing is served on this listener";
    case Outcome::kBadPath:
      return "the path has a bad escape or leads above the root";
    case Outcome::kHealthProbe:
      return "/healthz of a host that no rule has is answered for the probes of load balancers";
    case Outcome::kNoRoute:
      return no_path(found.match.host->name);
    case Outcome::kBodyTooLarge:
      return fmt::format(
          "the body is over proxy-body-size ({} bytes)", snapshot.settings->proxy_body_size_bytes
      );
    case Outcome::kAddSlash:
      return fmt::format("the path is \"{}\": redirected to it", route->path);
    case Outcome::kFiltered:
      if (route->policies.find<features::HttpsRedirectPolicy>() != nullptr)
        return "plain requests are redirected to https: the host has TLS, or force-ssl-redirect is "
               "on";
      return "answered by a policy of the route";
    case Outcome::kNoEndpoints:
      return fmt::format(
          "pool {} is empty: {}", snapshot.pools[route->pool]->name,
          why_no_endpoints(*snapshot.pools[route->pool])
      );
    case Outcome::kDefaultBackend:
      if (route->path != "/")
        return fmt::format("path {} leads to the built-in default backend", route->path);
      return no_path(found.match.host->name) + ": the built-in default backend answers";
  }
  return {};
}

}  // namespace

Explanation explain(const ExplainRequest& request, const ExplainInput& input) {
  const routing::RequestHead head = head_of(request);
  const routing::ClientAddress address(
      routing::IpAddress::parse(request.client_ip).value_or(routing::IpAddress{}), 0
  );
  const routing::ConnectionOrigin connection{
      .address = &address,
      .port = request.tls ? "443" : "80",
      .destination_port = 0,
      .tls = request.tls
  };
  const auto client = routing::view_client(connection, head, input.snapshot.settings->client_trust);
  std::string scratch;
  const auto found = features::find_route(
      input.snapshot, request.tls ? routing::kHttpsListener : routing::kHttpListener, head, scratch
  );
  features::Decision decision{
      .outcome = found.outcome, .respond = {features::status_of(found.outcome)}
  };
  if (found.outcome == Outcome::kForward)
    decision = features::decide(input.snapshot, found, head, connection, client);

  Explanation out;
  out.method = request.method;
  out.url = request.url();
  out.client = client.address.view();
  out.outcome = decision.outcome;
  out.status = decision.respond.status;
  out.location = decision.respond.location;
  out.message = message_of(found, decision, input.snapshot);
  out.path = found.path;
  out.certificate = certificate_of(request, input);
  if (found.match.route != nullptr && found.outcome == Outcome::kForward) {
    out.route = route_of(found);
    if (found.match.route->pool != routing::kDefaultBackend)
      out.pool = pool_of(*input.snapshot.pools[found.match.route->pool]);
  }
  add_bypassed(found, input, out);
  return out;
}

}  // namespace cppx::controller
