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
#include "controller/translate/arrivals.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/names.h"
#include "controller/translate/slice_endpoints.h"
#include "controller/translate/translate.h"
#include "routing/balance/endpoint_hashes.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"
#include "routing/endpoint/pool_table.h"
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

void PoolBook::all_changed() {
  slices_.rebuild(input_->store);
  for (const auto& [service, pools] : by_service_) changed_.insert(service);
}

void PoolBook::slice_changed(const ObjectKey& slice) {
  for (ObjectKey& service : slices_.update(input_->store, slice))
    changed_.insert(std::move(service));
}

std::set<std::string> PoolBook::refill() {
  std::set<PlannedPool*> stale;
  for (const ObjectKey& service : changed_)
    if (const auto it = by_service_.find(service); it != by_service_.end())
      stale.insert(it->second.begin(), it->second.end());
  changed_.clear();
  find_changed_names(stale);

  std::set<std::string> hosts;
  for (PlannedPool* planned : stale) {
    const auto before = std::pair(planned->pool.status, planned->protocol);
    fill(*planned);
    touched_.insert(planned);
    const auto after = std::pair(planned->pool.status, planned->protocol);
    if (before == after) continue;
    for (const auto& [host, needs_hashes] : planned->users) hosts.insert(host);
  }
  return hosts;
}

void PoolBook::find_changed_names(std::set<PlannedPool*>& out) {
  for (const auto& [name, pools] : by_name_) {
    const auto it = input_->names.find(name);
    for (PlannedPool* planned : pools) {
      const bool same = it == input_->names.end()
                            ? !planned->resolved.has_value()
                            : planned->resolved.has_value() && *planned->resolved == it->second;
      if (!same) out.insert(planned);
    }
  }
}

const PlannedPool& PoolBook::use(
    const std::string& host, const std::string& ns, const std::string& service, const PortRef& port,
    bool needs_hashes
) {
  const auto [it, is_new] =
      pools_.try_emplace(fmt::format("{}/{}:{}", ns, service, to_string(port)));
  PlannedPool& planned = it->second;
  if (is_new) {
    planned.pool.name = it->first;
    planned.pool.identity = hash64(it->first);
    planned.service = {ns, service};
    planned.port = port;
    by_service_[planned.service].insert(&planned);
    fill(planned);
  }
  bool& needs = planned.users[host];
  needs = needs || needs_hashes;
  by_host_[host].push_back(&planned);
  touched_.insert(&planned);
  return planned;
}

void PoolBook::release(const std::string& host) {
  const auto used = by_host_.extract(host);
  if (used.empty()) return;
  for (PlannedPool* planned : used.mapped()) {
    planned->users.erase(host);
    touched_.insert(planned);
  }
}

void PoolBook::finish(std::optional<routing::JoinTime> join_time) {
  Arrivals arrivals(join_time);
  for (const PlannedPool* planned : touched_)
    if (!planned->users.empty() && planned->index != routing::kDefaultBackend)
      arrivals.note(*made_[planned->index], planned->pool);
  arrivals.find_known(made_);
  std::vector<PlannedPool*> fresh;
  for (PlannedPool* planned : std::exchange(touched_, {})) {
    if (planned->users.empty())
      drop(*planned);
    else if (planned->index == routing::kDefaultBackend)
      fresh.push_back(planned);
    else
      make(*planned, made_[planned->index].get(), arrivals);
  }
  std::ranges::sort(fresh, {}, [](const PlannedPool* planned) -> const std::string& {
    return planned->pool.name;
  });
  auto end = static_cast<routing::PoolIndex>(made_.size());
  for (PlannedPool* planned : fresh) {
    planned->index = free_.empty() ? end++ : free_.extract(free_.begin()).value();
    make(*planned, nullptr, arrivals);
  }
  made_ = made_.with(std::exchange(remade_, {}));
  input_ = nullptr;
}

bool PoolBook::is_sparse() const noexcept {
  constexpr std::size_t kFew = 64;
  return free_.size() > kFew && free_.size() > made_.size() / 2;
}

void PoolBook::sort() {
  std::vector<routing::PoolTable::Pool> sorted;
  sorted.reserve(pools_.size());
  for (auto& [name, planned] : pools_) {
    sorted.push_back(made_[planned.index]);
    planned.index = static_cast<routing::PoolIndex>(sorted.size() - 1);
  }
  made_ = routing::PoolTable(sorted);
  free_.clear();
}

void PoolBook::make(
    const PlannedPool& planned, const EndpointPool* before, const Arrivals& arrivals
) {
  const bool needs_hashes =
      !planned.pool.endpoints.empty() &&
      std::ranges::any_of(planned.users, [](const auto& user) { return user.second; });
  if (before != nullptr && equal(*before, planned.pool) &&
      has_hashes(*before, needs_hashes, planned.hash_key))
    return;
  auto pool = std::make_shared<EndpointPool>(planned.pool);
  pool->joined = arrivals.times_of(before, *pool);
  if (needs_hashes)
    pool->hashes =
        std::make_shared<const routing::EndpointHashes>(pool->endpoints, planned.hash_key);
  remade_[planned.index] = std::move(pool);
}

void PoolBook::drop(PlannedPool& planned) {
  static const auto kNothing = std::make_shared<const EndpointPool>();
  diagnostics_.replace(planned.diagnostics, {});
  note_external_name(planned, {});
  const auto of_service = by_service_.find(planned.service);
  of_service->second.erase(&planned);
  if (of_service->second.empty()) by_service_.erase(of_service);
  if (planned.index != routing::kDefaultBackend) {
    remade_[planned.index] = kNothing;
    free_.insert(planned.index);
  }
  pools_.erase(std::string(planned.pool.name));
}

std::shared_ptr<const std::set<std::string>> PoolBook::external_names() {
  if (external_names_ == nullptr) {
    std::set<std::string> names;
    for (const auto& [name, pools] : by_name_) names.insert(name);
    external_names_ = std::make_shared<const std::set<std::string>>(std::move(names));
  }
  return external_names_;
}

void PoolBook::note_external_name(PlannedPool& planned, std::string name) {
  if (planned.external_name == name) return;
  if (const auto it = by_name_.find(planned.external_name); it != by_name_.end()) {
    it->second.erase(&planned);
    if (it->second.empty()) by_name_.erase(it);
  }
  if (!name.empty()) by_name_[name].insert(&planned);
  planned.external_name = std::move(name);
  external_names_ = nullptr;
}

// All replicas must make the same of it, and clients must not know it: the UID of the Service is
// random and no client's business.
routing::SipKey PoolBook::hash_key_of(const ObjectKey& key, std::string_view pool) const {
  const auto it = input_->store.services().find(key);
  const std::string_view uid = it == input_->store.services().end()
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

void PoolBook::fill(PlannedPool& planned) {
  DiagnosticList diagnostics;
  note_external_name(planned, {});
  planned.resolved.reset();
  planned.protocol = routing::BackendProtocol::kHttp;
  planned.pool.endpoints.clear();
  planned.hash_key = hash_key_of(planned.service, planned.pool.name);
  const auto it = input_->store.services().find(planned.service);
  if (it == input_->store.services().end())
    planned.pool.status = PoolStatus::kNoService;
  else
    fill_from(*it->second, planned, diagnostics);
  diagnostics_.replace(planned.diagnostics, diagnostics.take());
}

void PoolBook::fill_from(
    const Service& service, PlannedPool& planned, DiagnosticList& diagnostics
) {
  if (service.type == "ExternalName") {
    fill_external(service, planned, diagnostics);
    return;
  }
  const ServicePort* port = find_port(service, planned.port);
  if (port == nullptr) {
    planned.pool.status = PoolStatus::kNoPort;
    return;
  }
  // The standard name (KEP-3726), and the one that other ingress controllers took before.
  if (port->app_protocol == "kubernetes.io/h2c" || port->app_protocol == "grpc")
    planned.protocol = routing::BackendProtocol::kGrpc;
  const auto slices = slices_.slices_of(input_->store, service.meta.key);
  set_endpoints(planned.pool, endpoints_of(slices, *port, diagnostics));
  if (planned.pool.endpoints.empty())
    diagnostics.warn(
        service, "", "NoEndpoints", fmt::format("port {} has no ready endpoint", port->port)
    );
}

void PoolBook::fill_external(
    const Service& service, PlannedPool& planned, DiagnosticList& diagnostics
) {
  constexpr std::string_view kField = "spec.externalName";
  planned.pool.status = PoolStatus::kRefused;
  if (options_.disable_svc_external_name) {
    diagnostics.warn(
        service, "spec.type", "ExternalNameDisabled",
        "ExternalName Services are switched off by --disable-svc-external-name"
    );
    return;
  }
  std::string name = to_lower(service.external_name);
  if (name.ends_with('.')) name.pop_back();
  if (is_localhost_name(name) || is_own_address(name)) {
    diagnostics.warn(
        service, std::string(kField), "ExternalNameRefused",
        fmt::format("\"{}\" is this very host; it may not be a backend", name)
    );
    return;
  }
  if (!is_ip_literal(name) && !is_dns_subdomain(name)) {
    diagnostics.warn(
        service, std::string(kField), "InvalidExternalName",
        fmt::format("\"{}\" is neither a host name nor an address", name)
    );
    return;
  }
  const auto number = external_port(service, planned.port);
  if (!number) {
    planned.pool.status = PoolStatus::kNoPort;
    return;
  }
  resolve_external(service, name, *number, planned, diagnostics);
}

void PoolBook::resolve_external(
    const Service& service, const std::string& name, std::uint16_t port, PlannedPool& planned,
    DiagnosticList& diagnostics
) {
  EndpointPool& pool = planned.pool;
  if (const auto literal = EndpointAddress::parse(name, port)) {
    set_endpoints(pool, {*literal});
    return;
  }
  note_external_name(planned, name);
  pool.status = PoolStatus::kNotResolved;
  const auto it = input_->names.find(name);
  if (it == input_->names.end()) return;
  planned.resolved = it->second;
  std::vector<EndpointAddress> endpoints;
  bool refused = false;
  for (const std::string& ip : it->second) {
    refused = refused || is_own_address(ip);
    if (const auto address = EndpointAddress::parse(ip, port); address && !is_own_address(ip))
      endpoints.push_back(*address);
  }
  if (refused)
    diagnostics.warn(
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
  diagnostics.warn(
      service, "spec.externalName", "NameNotResolved",
      fmt::format("\"{}\" has no address; requests get 503", name)
  );
}

}  // namespace cppx::controller
