#include "features/decision.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "features/features.h"
#include "routing/client/client_view.h"
#include "routing/http/host.h"
#include "routing/http/message.h"
#include "routing/http/path.h"
#include "routing/match/route.h"
#include "routing/settings.h"
#include "routing/snapshot.h"

namespace cppx::features {
namespace {

Decision ended(Outcome outcome) { return {.outcome = outcome, .respond = {status_of(outcome)}}; }

std::string location_with_slash(std::string_view target, std::string_view host, bool tls) {
  const auto path_end = std::min(target.find('?'), target.size());
  std::string out(tls ? "https://" : "http://");
  return out.append(host)
      .append(target.substr(0, path_end))
      .append("/")
      .append(target.substr(path_end));
}

bool body_too_large(const routing::ProxySettings& settings, const routing::RequestHead& request) {
  return settings.proxy_body_size_bytes != 0 && request.framing == routing::BodyFraming::kLength &&
         request.content_length > settings.proxy_body_size_bytes;
}

}  // namespace

std::uint16_t status_of(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kForward:
    case Outcome::kFiltered:
      return 0;
    case Outcome::kHealthProbe:
      return 200;
    case Outcome::kAddSlash:
      return 301;
    case Outcome::kBadPath:
      return 400;
    case Outcome::kNoListener:
    case Outcome::kNoRoute:
    case Outcome::kDefaultBackend:
      return 404;
    case Outcome::kBodyTooLarge:
      return 413;
    case Outcome::kNoEndpoints:
      return 503;
  }
  return 500;
}

FoundRoute find_route(
    const routing::Snapshot& snapshot, std::string_view listener,
    const routing::RequestHead& request, std::string& path_scratch
) {
  const auto* table = snapshot.find_listener(listener);
  if (table == nullptr)
    return {.outcome = Outcome::kNoListener, .host = {}, .path = {}, .match = {}};
  const auto path = routing::normalize_path(request.path, path_scratch);
  if (!path) return {.outcome = Outcome::kBadPath, .host = {}, .path = {}, .match = {}};
  FoundRoute found;
  // HTTP/1.0 without a Host field: nobody's host, and a name that is harmless in a redirect.
  found.host = request.host.empty() ? std::string_view("_")
                                    : routing::host_without_port(request.host).value_or("_");
  found.path = *path;
  found.match = table->routes->match(found.host, found.path);
  // Load balancers probe by address: the answer for hosts nobody has configured.
  if (found.match.host->name == "_" && found.path == "/healthz")
    found.outcome = Outcome::kHealthProbe;
  else if (found.match.route == nullptr)
    found.outcome = Outcome::kNoRoute;
  return found;
}

Decision decide(
    const routing::Snapshot& snapshot, const FoundRoute& found, const routing::RequestHead& request,
    const routing::ConnectionOrigin& connection, const routing::ClientView& client
) {
  if (body_too_large(*snapshot.settings, request)) return ended(Outcome::kBodyTooLarge);
  const routing::Route& route = *found.match.route;
  if (found.match.add_slash) {
    Decision decision = ended(Outcome::kAddSlash);
    decision.respond.location = location_with_slash(request.target, found.host, connection.tls);
    return decision;
  }
  if (!route.policies.empty()) {
    Respond answer = run_request_filters(
        found.match, {.tls = connection.tls,
                      .scheme = client.scheme,
                      .host = found.host,
                      .public_host = client.host_name.empty() ? found.host : client.host_name,
                      .target = request.target,
                      .path = found.path}
    );
    if (answer.status != 0) return {.outcome = Outcome::kFiltered, .respond = std::move(answer)};
  }
  if (route.pool == routing::kDefaultBackend) return ended(Outcome::kDefaultBackend);
  if (snapshot.pools[route.pool]->endpoints.empty()) return ended(Outcome::kNoEndpoints);
  return {};
}

}  // namespace cppx::features
