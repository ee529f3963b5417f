#include "controller/translate/pools.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.h"
#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/names.h"
#include "controller/translate/slice_endpoints.h"
#include "controller/translate/translate.h"
#include "routing/balance/endpoint_hashes.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

using routing::EndpointAddress;
using routing::EndpointPool;
using routing::PoolStatus;

constexpr std::string_view kTcp = "TCP";

// The Service port an Ingress means: by number the port, else the target port; by name the port.
const ServicePort* find_port(const Service& service, const PortRef& wanted) {
  const auto find = [&](auto matches) -> const ServicePort* {
    const auto it = std::ranges::find_if(service.ports, [&](const ServicePort& port) {
      return port.protocol == kTcp && matches(port);
    });
    return it == service.ports.end() ? nullptr : &*it;
  };
  if (const auto* name = std::get_if<std::string>(&wanted))
    return find([&](const ServicePort& port) { return port.name == *name; });
  const auto number = std::get<std::uint16_t>(wanted);
  if (const auto* port = find([&](const ServicePort& p) { return p.port == number; })) return port;
  return find([&](const ServicePort& port) { return port.target_port == wanted; });
}

// An ExternalName Service need not list ports: then the Ingress's own number is meant.
std::optional<std::uint16_t> external_port(const Service& service, const PortRef& wanted) {
  const auto number_of = [](const ServicePort& port) {
    const auto* target = std::get_if<std::uint16_t>(&port.target_port);
    return target != nullptr && *target != 0 ? *target : port.port;
  };
  for (const ServicePort& port : service.ports) {
    const auto* name = std::get_if<std::string>(&wanted);
    if (name != nullptr ? port.name == *name : port.port == std::get<std::uint16_t>(wanted))
      return number_of(port);
  }
  if (const auto* number = std::get_if<std::uint16_t>(&wanted)) return *number;
  return std::nullopt;
}

void set_endpoints(EndpointPool& pool, std::vector<EndpointAddress> endpoints) {
  std::ranges::sort(endpoints);
  const auto rest = std::ranges::unique(endpoints);
  endpoints.erase(rest.begin(), rest.end());
  pool.status = endpoints.empty() ? PoolStatus::kNoEndpoints : PoolStatus::kReady;
  pool.endpoints = std::move(endpoints);
}

bool equal(const EndpointPool& a, const EndpointPool& b) {
  return a.name == b.name && a.status == b.status && a.endpoints == b.endpoints;
}

bool has_hashes(const EndpointPool& pool, bool wanted, const routing::SipKey& key) {
  return wanted ? pool.hashes != nullptr && pool.hashes->key() == key : pool.hashes == nullptr;
}

}  // namespace

std::string to_string(const PortRef& port) {
  if (const auto* name = std::get_if<std::string>(&port)) return *name;
  return std::to_string(std::get<std::uint16_t>(port));
}

PoolBuilder::PoolBuilder(
    const TranslateInput& input, const TranslateOptions& options, DiagnosticList& diagnostics
)
    : input_(input), options_(options), diagnostics_(diagnostics) {
  for (const auto& [key, slice] : input.store.endpoint_slices())
    if (!slice->service.empty()) slices_[ObjectKey{key.ns, slice->service}].push_back(slice.get());
  // Kubernetes mirrors Endpoints into slices: both at once would be the same twice.
  for (auto& [service, slices] : slices_) {
    const auto is_legacy = [](const EndpointSlice* slice) { return slice->from_endpoints; };
    if (!std::ranges::all_of(slices, is_legacy)) std::erase_if(slices, is_legacy);
  }
}

const PlannedPool& PoolBuilder::pool_of(
    const std::string& ns, const std::string& service, const PortRef& port, bool needs_hashes
) {
  std::string name = fmt::format("{}/{}:{}", ns, service, to_string(port));
  const auto [it, is_new] = pools_.try_emplace(std::move(name));
  if (is_new) {
    it->second.pool.name = it->first;
    it->second.pool.identity = hash64(it->first);
    fill(it->second, ObjectKey{ns, service}, port);
    it->second.hash_key = hash_key_of(ObjectKey{ns, service}, it->first);
  }
  it->second.needs_hashes = it->second.needs_hashes || needs_hashes;
  return it->second;
}

// All replicas must make the same of it, and clients must not know it: the UID of the Service is
// random and no client's business.
routing::SipKey PoolBuilder::hash_key_of(const ObjectKey& key, std::string_view pool) const {
  const auto it = input_.store.services().find(key);
  const std::string_view uid = it == input_.store.services().end()
                                   ? std::string_view()
                                   : std::string_view(it->second->meta.uid);
  const routing::SipKey secret{
      .low = routing::sip_hash({.low = 1, .high = 0}, uid),
      .high = routing::sip_hash({.low = 2, .high = 0}, uid)
  };
  return {
      .low = routing::sip_hash(secret, pool),
      .high = routing::sip_hash({.low = secret.high, .high = secret.low}, pool)
  };
}

std::vector<std::shared_ptr<const EndpointPool>> PoolBuilder::finish(
    const std::vector<std::shared_ptr<const EndpointPool>>& last
) {
  std::vector<std::shared_ptr<const EndpointPool>> out;
  out.reserve(pools_.size());
  auto old = last.begin();
  for (auto& [name, planned] : pools_) {
    planned.index = static_cast<routing::PoolIndex>(out.size());
    while (old != last.end() && (*old)->name < name) ++old;
    const bool hashes = planned.needs_hashes && !planned.pool.endpoints.empty();
    if (old != last.end() && equal(**old, planned.pool) &&
        has_hashes(**old, hashes, planned.hash_key)) {
      out.push_back(*old);
      continue;
    }
    if (hashes)
      planned.pool.hashes =
          std::make_shared<const routing::EndpointHashes>(planned.pool.endpoints, planned.hash_key);
    out.push_back(std::make_shared<const EndpointPool>(planned.pool));
  }
  return out;
}

void PoolBuilder::fill(PlannedPool& planned, const ObjectKey& key, const PortRef& port) {
  EndpointPool& pool = planned.pool;
  const auto it = input_.store.services().find(key);
  if (it == input_.store.services().end()) {
    pool.status = PoolStatus::kNoService;
    return;
  }
  const Service& service = *it->second;
  if (service.type == "ExternalName") {
    fill_external(pool, service, port);
    return;
  }
  const ServicePort* service_port = find_port(service, port);
  if (service_port == nullptr) {
    pool.status = PoolStatus::kNoPort;
    return;
  }
  // The standard name (KEP-3726), and the one that other ingress controllers took before.
  if (service_port->app_protocol == "kubernetes.io/h2c" || service_port->app_protocol == "grpc")
    planned.protocol = routing::BackendProtocol::kGrpc;
  fill_from_slices(pool, service, *service_port);
}

void PoolBuilder::fill_from_slices(
    EndpointPool& pool, const Service& service, const ServicePort& port
) {
  set_endpoints(pool, endpoints_of(slices_of(service.meta.key), port, diagnostics_));
  if (pool.endpoints.empty())
    diagnostics_.warn(
        service, "", "NoEndpoints", fmt::format("port {} has no ready endpoint", port.port)
    );
}

void PoolBuilder::fill_external(EndpointPool& pool, const Service& service, const PortRef& port) {
  constexpr std::string_view kField = "spec.externalName";
  pool.status = PoolStatus::kRefused;
  if (options_.disable_svc_external_name) {
    diagnostics_.warn(
        service, "spec.type", "ExternalNameDisabled",
        "ExternalName Services are switched off by --disable-svc-external-name"
    );
    return;
  }
  std::string name = to_lower(service.external_name);
  if (name.ends_with('.')) name.pop_back();
  if (is_localhost_name(name) || is_own_address(name)) {
    diagnostics_.warn(
        service, std::string(kField), "ExternalNameRefused",
        fmt::format("\"{}\" is this very host; it may not be a backend", name)
    );
    return;
  }
  if (!is_ip_literal(name) && !is_dns_subdomain(name)) {
    diagnostics_.warn(
        service, std::string(kField), "InvalidExternalName",
        fmt::format("\"{}\" is neither a host name nor an address", name)
    );
    return;
  }
  const auto number = external_port(service, port);
  if (!number) {
    pool.status = PoolStatus::kNoPort;
    return;
  }
  resolve_external(pool, service, name, *number);
}

void PoolBuilder::resolve_external(
    EndpointPool& pool, const Service& service, const std::string& name, std::uint16_t port
) {
  if (const auto literal = EndpointAddress::parse(name, port)) {
    set_endpoints(pool, {*literal});
    return;
  }
  external_names_.insert(name);
  pool.status = PoolStatus::kNotResolved;
  const auto it = input_.names.find(name);
  if (it == input_.names.end()) return;
  std::vector<EndpointAddress> endpoints;
  bool refused = false;
  for (const std::string& ip : it->second) {
    refused = refused || is_own_address(ip);
    if (const auto address = EndpointAddress::parse(ip, port); address && !is_own_address(ip))
      endpoints.push_back(*address);
  }
  if (refused)
    diagnostics_.warn(
        service, "spec.externalName", "ExternalNameRefused",
        fmt::format("\"{}\" has an address of this very host; it may not be a backend", name)
    );
  if (!endpoints.empty()) {
    set_endpoints(pool, std::move(endpoints));
    return;
  }
  if (refused) {
    pool.status = PoolStatus::kRefused;
    return;
  }
  diagnostics_.warn(
      service, "spec.externalName", "NameNotResolved",
      fmt::format("\"{}\" has no address; requests get 503", name)
  );
}

const PoolBuilder::Slices& PoolBuilder::slices_of(const ObjectKey& service) const {
  static const Slices kNone;
  const auto it = slices_.find(service);
  return it == slices_.end() ? kNone : it->second;
}

}  // namespace cppx::controller
