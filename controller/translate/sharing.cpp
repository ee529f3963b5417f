#include "controller/translate/sharing.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/translate/hosts.h"
#include "controller/translate/policies.h"
#include "routing/match/route.h"
#include "routing/match/routing_table.h"
#include "routing/settings.h"
#include "tls/certificate.h"
#include "tls/sni_table.h"

namespace cppx::controller {
namespace {

using routing::Route;
using routing::VirtualHost;

// The wildcard host that also takes requests for `name`, or an empty text.
std::string wildcard_above(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? std::string() : "*" + name.substr(dot);
}

// A certificate serves the host: its own or that of the wildcard host above it.
bool has_certificate(const HostPlan& plan, const std::string& name, const PlannedHost& host) {
  if (host.tls_owner != nullptr) return true;
  const auto above = plan.find(wildcard_above(name));
  return above != plan.end() && above->second.tls_owner != nullptr;
}

routing::BackendProtocol protocol_of(const PlannedRoute& planned, bool annotated) {
  if (annotated && planned.owner->annotations.backend_protocol)
    return *planned.owner->annotations.backend_protocol;
  return planned.pool == nullptr ? routing::BackendProtocol::kHttp : planned.pool->protocol;
}

std::vector<Route> routes_of(
    const HostPlan& plan, const std::string& name, const PlannedHost& host, PolicyMaker& policies
) {
  const bool secured = has_certificate(plan, name, host);
  std::vector<Route> out;
  out.reserve(host.routes.size());
  for (const auto& [key, planned] : host.routes) {
    const bool annotated = planned.owner != nullptr && planned.has_annotations;
    Route route;
    route.path = key.first;
    route.path_type = planned.type;
    route.pool = planned.pool == nullptr ? routing::kDefaultBackend : planned.pool->index;
    route.protocol = protocol_of(planned, annotated);
    route.origin = planned.origin;
    route.policies = policies.policies_of({
        .annotations = annotated ? &planned.owner->annotations : nullptr,
        .host_has_tls = secured,
        .path = key.first,
    });
    out.push_back(std::move(route));
  }
  return out;
}

bool equal(const Route& a, const Route& b) {
  return a.path == b.path && a.path_type == b.path_type && a.pool == b.pool &&
         a.protocol == b.protocol && a.policies == b.policies && a.origin.ns == b.origin.ns &&
         a.origin.ingress == b.origin.ingress && a.origin.service == b.origin.service &&
         a.origin.service_port == b.origin.service_port;
}

bool equal(const VirtualHost& host, bool tls, const std::vector<Route>& routes) {
  return host.tls == tls &&
         std::ranges::equal(host.routes, routes, [](const Route& a, const Route& b) {
           return equal(a, b);
         });
}

}  // namespace

PartMaker::Host PartMaker::find_last(const std::string& name) const {
  if (table_ == nullptr) return nullptr;
  const auto& hosts = table_->hosts();
  const auto it = std::ranges::lower_bound(
      hosts, name, {}, [](const Host& h) -> const std::string& { return h->name; }
  );
  return it == hosts.end() || (*it)->name != name ? nullptr : *it;
}

std::shared_ptr<const routing::RoutingTable> PartMaker::routing_table(
    const HostPlan& plan, PolicyMaker& policies
) {
  std::vector<Host> hosts;
  hosts.reserve(plan.size());
  bool changed = table_ == nullptr || table_->hosts().size() != plan.size();
  for (const auto& [name, planned] : plan) {
    std::vector<Route> routes = routes_of(plan, name, planned, policies);
    const bool tls = planned.tls_owner != nullptr;
    if (Host last = find_last(name); last != nullptr && equal(*last, tls, routes)) {
      hosts.push_back(std::move(last));
      continue;
    }
    changed = true;
    auto host = std::make_shared<VirtualHost>();
    host->name = name;
    host->tls = tls;
    for (Route& route : routes) host->add_route(std::move(route));
    hosts.push_back(std::move(host));
  }
  if (changed) table_ = std::make_shared<const routing::RoutingTable>(std::move(hosts));
  return table_;
}

std::shared_ptr<const tls::SniTable> PartMaker::sni_table(
    const HostPlan& plan, const std::shared_ptr<const tls::Certificate>& fallback
) {
  std::vector<NamedCertificate> names{{"", fallback}};
  for (const auto& [name, host] : plan)
    if (host.certificate != nullptr) names.emplace_back(name, host.certificate);
  if (sni_ != nullptr && names == sni_names_) return sni_;
  auto table = std::make_shared<tls::SniTable>(fallback);
  for (std::size_t i = 1; i < names.size(); ++i) table->add(names[i].first, names[i].second);
  sni_names_ = std::move(names);
  sni_ = std::move(table);
  return sni_;
}

std::shared_ptr<const routing::ProxySettings> PartMaker::settings(
    const routing::ProxySettings& settings
) {
  if (settings_ == nullptr || *settings_ != settings)
    settings_ = std::make_shared<const routing::ProxySettings>(settings);
  return settings_;
}

}  // namespace cppx::controller
