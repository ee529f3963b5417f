#include "controller/translate/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic_book.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/hosts.h"
#include "controller/translate/policies.h"
#include "controller/translate/pools.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/selection.h"
#include "controller/translate/sharing.h"
#include "controller/translate/tls_hosts.h"
#include "routing/endpoint/endpoint.h"
#include "routing/snapshot.h"

namespace cppx::controller {
namespace {

GlobalSettings settings_of(
    const Store& store, const TranslateOptions& options, DiagnosticList& diagnostics
) {
  if (!options.config_map) return {};
  const auto it = store.config_maps().find(*options.config_map);
  if (it != store.config_maps().end()) return read_global_settings(*it->second, diagnostics);
  diagnostics.add({
      .kind = Kind::kConfigMap,
      .object = *options.config_map,
      .field = {},
      .reason = "ConfigMapNotFound",
      .message = "the ConfigMap of --configmap does not exist; defaults are used",
  });
  return {};
}

/// Who uses the pool of --default-backend-service; no host has this name.
constexpr std::string_view kNoHost;

void insert_in_order(Members& members, const SelectedIngress& selected) {
  const auto place = std::ranges::upper_bound(
      members, &selected,
      [](const SelectedIngress* a, const SelectedIngress* b) { return comes_first(*a, *b); }
  );
  members.insert(place, &selected);
}

}  // namespace

struct Translator::Impl {
  explicit Impl(TranslateOptions given) : options(std::move(given)) {}

  /// An Ingress that is ours, or would be if its class existed.
  struct IngressEntry {
    std::optional<SelectedIngress> selected;  // nothing: refused
    DiagnosticBook::List selection;
    DiagnosticBook::List secrets;
  };

  /// What an update has to look at.
  struct Dirty {
    bool all = false;
    std::set<ObjectKey> ingresses;
    std::set<ObjectKey> secrets;
    std::set<std::string> hosts;      // to be planned and made
    std::set<std::string> routes;     // to be made only
    std::set<std::string> wildcards;  // that got TLS or lost it
  };

  Translation translate(const TranslateInput& input);
  void find_changes(const TranslateInput& input);
  [[nodiscard]] bool is_about_all(const ObjectRef& change) const;
  void note_change(const ObjectRef& change);
  void read_settings(const Store& store);
  void update_ingresses(const Store& store);
  void update_ingress(
      const ObjectKey& key, const std::shared_ptr<const Ingress>& ingress,
      const ClassSelection& classes
  );
  void leave_hosts(const SelectedIngress& selected);
  void join_hosts(const SelectedIngress& selected);
  void update_secrets();
  void update_fallback(const TranslateInput& input);
  void update_default_backend(const Store& store);
  DefaultBackend default_backend_of(const Store& store, DiagnosticList& list);
  void plan_hosts();
  void plan_host(const std::string& name, HostEntry& host);
  void make_hosts();
  void all_hosts_dirty();
  std::shared_ptr<routing::Snapshot> assemble();

  TranslateOptions options;
  Store::Position seen;
  GlobalSettings settings;
  DiagnosticBook diagnostics;
  DiagnosticBook::List settings_diagnostics;
  DiagnosticBook::List fallback_diagnostics;
  DiagnosticBook::List default_backend_diagnostics;
  std::map<ObjectKey, IngressEntry> ingresses;
  Members catch_all;
  HostBook hosts;
  PoolBook pools{options, diagnostics};
  TlsPlanner tls;
  std::shared_ptr<const tls::Certificate> fallback;
  DefaultBackend default_backend;
  PolicyMaker policies;
  PartMaker parts;
  Dirty dirty;
};

Translation Translator::Impl::translate(const TranslateInput& input) {
  pools.begin(input);
  find_changes(input);
  tls.begin(input.store, input.now);
  if (dirty.all) {
    read_settings(input.store);
    pools.all_changed();
  }
  update_ingresses(input.store);
  update_secrets();
  update_fallback(input);
  dirty.hosts.merge(pools.refill());
  update_default_backend(input.store);
  plan_hosts();
  // To look for what is new takes time: only where somebody asks.
  const bool asked =
      settings.proxy.upstream_slow_start.count() > 0 || settings.proxy.ejection.failures > 0;
  pools.finish(asked ? input.join_time : std::nullopt);
  tls.finish();
  if (pools.is_sparse()) {
    pools.sort();
    for (const auto& [name, host] : hosts) dirty.routes.insert(name);
  }
  make_hosts();
  dirty = {};
  return {
      .snapshot = assemble(),
      .diagnostics = diagnostics.all(),
      .external_names = pools.external_names(),
      .secrets_in_use = tls.secrets(),
  };
}

void Translator::Impl::find_changes(const TranslateInput& input) {
  const auto changes = input.store.changes_since(seen);
  seen = input.store.position();
  dirty.all = !changes || tls.time_matters(input.now) ||
              std::ranges::any_of(*changes, [this](const ObjectRef& change) {
                return is_about_all(change);
              });
  if (!dirty.all) {
    for (const ObjectRef& change : *changes) note_change(change);
    return;
  }
  for (const auto& [key, ingress] : input.store.ingresses()) dirty.ingresses.insert(key);
  for (const auto& [key, entry] : ingresses) dirty.ingresses.insert(key);
  all_hosts_dirty();
}

bool Translator::Impl::is_about_all(const ObjectRef& change) const {
  if (change.kind == Kind::kConfigMap) return change.key == options.config_map;
  return change.kind == Kind::kIngressClass || change.kind == Kind::kNamespace;
}

void Translator::Impl::note_change(const ObjectRef& change) {
  if (change.kind == Kind::kIngress) dirty.ingresses.insert(change.key);
  if (change.kind == Kind::kSecret) dirty.secrets.insert(change.key);
  if (change.kind == Kind::kService) pools.service_changed(change.key);
  if (change.kind == Kind::kEndpointSlice) pools.slice_changed(change.key);
}

void Translator::Impl::read_settings(const Store& store) {
  DiagnosticList list;
  settings = settings_of(store, options, list);
  diagnostics.replace(settings_diagnostics, list.take());
}

void Translator::Impl::update_ingresses(const Store& store) {
  const ClassSelection classes(options.classes, store);
  for (const ObjectKey& key : dirty.ingresses) {
    const auto it = store.ingresses().find(key);
    update_ingress(key, it == store.ingresses().end() ? nullptr : it->second, classes);
  }
}

void Translator::Impl::update_ingress(
    const ObjectKey& key, const std::shared_ptr<const Ingress>& ingress,
    const ClassSelection& classes
) {
  const auto [it, is_new] = ingresses.try_emplace(key);
  IngressEntry& entry = it->second;
  if (entry.selected) {
    leave_hosts(*entry.selected);
    tls.remove(*entry.selected);
  }
  DiagnosticList selection;
  DiagnosticList secrets;
  entry.selected = ingress == nullptr
                       ? std::nullopt
                       : select_ingress(ingress, classes, options, settings, selection);
  if (entry.selected) {
    join_hosts(*entry.selected);
    tls.add(*entry.selected);
    tls.check(*entry.selected, secrets);
  }
  diagnostics.replace(entry.selection, selection.take());
  diagnostics.replace(entry.secrets, secrets.take());
  if (!entry.selected && entry.selection.empty()) ingresses.erase(it);
}

void Translator::Impl::leave_hosts(const SelectedIngress& selected) {
  for (const auto& [name, rules] : selected.hosts) {
    std::erase(hosts[name].members, &selected);
    dirty.hosts.insert(name);
  }
  if (std::erase(catch_all, &selected) != 0) dirty.hosts.insert(std::string(kCatchAll));
}

void Translator::Impl::join_hosts(const SelectedIngress& selected) {
  for (const auto& [name, rules] : selected.hosts) {
    insert_in_order(hosts[name].members, selected);
    dirty.hosts.insert(name);
  }
  if (!selected.is_catch_all()) return;
  insert_in_order(catch_all, selected);
  dirty.hosts.insert(std::string(kCatchAll));
}

void Translator::Impl::update_secrets() {
  std::set<ObjectKey> users;
  for (const ObjectKey& secret : dirty.secrets) users.merge(tls.users_of(secret));
  for (const ObjectKey& key : users) {
    IngressEntry& entry = ingresses.at(key);
    DiagnosticList secrets;
    tls.check(*entry.selected, secrets);
    diagnostics.replace(entry.secrets, secrets.take());
    for (const auto& [name, rules] : entry.selected->hosts) dirty.hosts.insert(name);
  }
}

void Translator::Impl::update_fallback(const TranslateInput& input) {
  DiagnosticList list;
  auto now =
      tls.default_certificate(options.default_ssl_certificate, input.self_made_certificate, list);
  diagnostics.replace(fallback_diagnostics, list.take());
  if (now == fallback) return;
  fallback = std::move(now);
  all_hosts_dirty();
}

void Translator::Impl::update_default_backend(const Store& store) {
  if (!options.default_backend_service) return;
  DiagnosticList list;
  pools.release(std::string(kNoHost));
  DefaultBackend now = default_backend_of(store, list);
  diagnostics.replace(default_backend_diagnostics, list.take());
  // By refill(): it is in use, and its pool is another thing for routes.
  const bool same = !dirty.hosts.contains(std::string(kNoHost)) &&
                    now.pool == default_backend.pool &&
                    now.origin.service_port == default_backend.origin.service_port;
  default_backend = std::move(now);
  if (!same) all_hosts_dirty();
}

// The first port of the Service. Without a usable endpoint the built-in 404 answers.
DefaultBackend Translator::Impl::default_backend_of(const Store& store, DiagnosticList& list) {
  const ObjectKey& key = *options.default_backend_service;
  const auto problem = [&](std::string reason, std::string message) {
    list.add({
        .kind = Kind::kService,
        .object = key,
        .field = {},
        .reason = std::move(reason),
        .message = fmt::format("{}; the built-in default backend answers 404", message),
    });
    return DefaultBackend{};
  };
  const auto it = store.services().find(key);
  if (it == store.services().end())
    return problem("ServiceNotFound", "the Service of --default-backend-service does not exist");
  if (it->second->ports.empty())
    return problem("ServicePortNotFound", "the Service of --default-backend-service has no port");
  const PortRef port = it->second->ports.front().port;
  const PlannedPool& pool = pools.use(std::string(kNoHost), key.ns, key.name, port);
  if (pool.pool.endpoints.empty())
    return problem("NoEndpoints", "the Service of --default-backend-service has no endpoint");
  return {
      .pool = &pool,
      .origin = {.ns = key.ns, .ingress = {}, .service = key.name, .service_port = to_string(port)}
  };
}

void Translator::Impl::all_hosts_dirty() {
  hosts.try_emplace(std::string(kCatchAll));
  for (const auto& [name, host] : hosts) dirty.hosts.insert(name);
}

void Translator::Impl::plan_hosts() {
  for (const std::string& name : dirty.hosts)
    if (const auto it = hosts.find(name); it != hosts.end()) plan_host(name, it->second);
  if (dirty.wildcards.empty()) return;
  // What a wildcard host has a certificate for is secured below it as well.
  for (const auto& [below, host] : hosts)
    if (dirty.wildcards.contains(wildcard_above(below))) dirty.routes.insert(below);
}

void Translator::Impl::plan_host(const std::string& name, HostEntry& host) {
  DiagnosticList list;
  PlannedHost plan;
  pools.release(name);
  if (!host.members.empty() || name == kCatchAll) {
    plan = HostPlanner(name, pools, default_backend, list)
               .plan(host.members, name == kCatchAll ? catch_all : Members());
    tls.plan(name, host.members, fallback, plan, list);
  }
  diagnostics.replace(host.diagnostics, list.take());
  const bool had_tls = std::exchange(host.has_tls, plan.tls_owner != nullptr);
  if (plan.certificate != host.plan.certificate) parts.set_certificate(name, plan.certificate);
  host.plan = std::move(plan);
  dirty.routes.insert(name);
  if (had_tls != host.has_tls && name.starts_with("*.")) dirty.wildcards.insert(name);
}

void Translator::Impl::make_hosts() {
  if (dirty.routes.empty()) return;
  policies.begin(settings);
  for (const std::string& name : dirty.routes) {
    const auto it = hosts.find(name);
    if (it == hosts.end()) continue;
    if (it->second.members.empty() && name != kCatchAll) {
      hosts.erase(it);
      parts.remove_host(name);
    } else {
      parts.make_host(name, hosts, it->second, policies);
    }
  }
}

std::shared_ptr<routing::Snapshot> Translator::Impl::assemble() {
  auto snapshot = std::make_shared<routing::Snapshot>();
  snapshot->settings = parts.settings(settings.proxy);
  snapshot->pools = pools.pools();
  const auto table = parts.routing_table();
  snapshot->listeners = {
      {.name = std::string(routing::kHttpListener),
       .protocol = routing::ListenerProtocol::kHttp,
       .routes = table,
       .certificates = nullptr},
      {.name = std::string(routing::kHttpsListener),
       .protocol = routing::ListenerProtocol::kHttps,
       .routes = table,
       .certificates = parts.sni_table(fallback)},
  };
  return snapshot;
}

Translator::Translator(TranslateOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

Translator::~Translator() = default;

Translation Translator::translate(const TranslateInput& input) { return impl_->translate(input); }

}  // namespace cppx::controller
