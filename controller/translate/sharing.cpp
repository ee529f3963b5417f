#include "controller/translate/sharing.h"

#include <algorithm>
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

// A certificate serves the host: its own or that of the wildcard host above it.
bool has_certificate(const std::string& name, const HostBook& book, const PlannedHost& host) {
  if (host.tls_owner != nullptr) return true;
  const auto above = book.find(wildcard_above(name));
  return above != book.end() && above->second.plan.tls_owner != nullptr;
}

routing::BackendProtocol protocol_of(const PlannedRoute& planned, bool annotated) {
  if (annotated && planned.owner->annotations.backend_protocol)
    return *planned.owner->annotations.backend_protocol;
  return planned.pool == nullptr ? routing::BackendProtocol::kHttp : planned.pool->protocol;
}

std::vector<Route> routes_of(const PlannedHost& host, bool secured, PolicyMaker& policies) {
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

std::string wildcard_above(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? std::string() : "*" + name.substr(dot);
}

void PartMaker::make_host(
    const std::string& name, const HostBook& book, HostEntry& host, PolicyMaker& policies
) {
  std::vector<Route> routes =
      routes_of(host.plan, has_certificate(name, book, host.plan), policies);
  const bool tls = host.plan.tls_owner != nullptr;
  if (host.made != nullptr && equal(*host.made, tls, routes)) return;
  auto made = std::make_shared<VirtualHost>();
  made->name = name;
  made->tls = tls;
  for (Route& route : routes) made->add_route(std::move(route));
  host.made = std::move(made);
  changed_hosts_[name] = host.made;
}

std::shared_ptr<const routing::RoutingTable> PartMaker::routing_table() {
  if (changed_hosts_.empty()) return table_;
  table_ = std::make_shared<const routing::RoutingTable>(table_->with(changed_hosts_));
  changed_hosts_.clear();
  return table_;
}

std::shared_ptr<const tls::SniTable> PartMaker::sni_table(
    const std::shared_ptr<const tls::Certificate>& fallback
) {
  if (sni_ == nullptr) sni_ = std::make_shared<const tls::SniTable>(fallback);
  if (changed_certificates_.empty() && &sni_->fallback() == fallback.get()) return sni_;
  sni_ = std::make_shared<const tls::SniTable>(sni_->with(fallback, changed_certificates_));
  changed_certificates_.clear();
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
