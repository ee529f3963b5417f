#include "controller/translate/translate.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/certificates.h"
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

// --default-backend-service: the first port of the Service. Without a usable endpoint the built-in
// 404 answers.
DefaultBackend default_backend_of(
    const Store& store, const TranslateOptions& options, PoolBuilder& pools,
    DiagnosticList& diagnostics
) {
  if (!options.default_backend_service) return {};
  const ObjectKey& key = *options.default_backend_service;
  const auto problem = [&](std::string reason, std::string message) {
    diagnostics.add({
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
  const PlannedPool& pool = pools.pool_of(key.ns, key.name, port);
  if (pool.pool.endpoints.empty())
    return problem("NoEndpoints", "the Service of --default-backend-service has no endpoint");
  return {
      .pool = &pool,
      .origin = {.ns = key.ns, .ingress = {}, .service = key.name, .service_port = to_string(port)}
  };
}

}  // namespace

struct Translator::Impl {
  explicit Impl(TranslateOptions given) : options(std::move(given)) {}

  TranslateOptions options;
  CertificateCache certificates;
  PolicyMaker policies;
  PartMaker parts;
  std::vector<std::shared_ptr<const routing::EndpointPool>> last_pools;
};

Translator::Translator(TranslateOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

Translator::~Translator() = default;

Translation Translator::translate(const TranslateInput& input) {
  DiagnosticList diagnostics;
  const GlobalSettings settings = settings_of(input.store, impl_->options, diagnostics);
  const auto ingresses = select_ingresses(input.store, impl_->options, settings, diagnostics);

  PoolBuilder pools(input, impl_->options, diagnostics);
  const DefaultBackend backend =
      default_backend_of(input.store, impl_->options, pools, diagnostics);
  HostPlan hosts = HostPlanner(pools, backend, diagnostics).plan(ingresses);
  TlsPlanner tls(input.store, impl_->certificates, input.now, diagnostics);
  const auto certificate =
      tls.default_certificate(impl_->options.default_ssl_certificate, input.self_made_certificate);
  tls.plan(ingresses, certificate, hosts);

  auto snapshot = std::make_shared<routing::Snapshot>();
  snapshot->settings = impl_->parts.settings(settings.proxy);
  snapshot->pools = pools.finish(impl_->last_pools);
  impl_->last_pools = snapshot->pools;
  impl_->policies.begin(settings);
  const auto table = impl_->parts.routing_table(hosts, impl_->policies);
  snapshot->listeners = {
      {.name = std::string(routing::kHttpListener),
       .protocol = routing::ListenerProtocol::kHttp,
       .routes = table,
       .certificates = nullptr},
      {.name = std::string(routing::kHttpsListener),
       .protocol = routing::ListenerProtocol::kHttps,
       .routes = table,
       .certificates = impl_->parts.sni_table(hosts, certificate)},
  };
  return {
      .snapshot = std::move(snapshot),
      .diagnostics = diagnostics.take(),
      .external_names = pools.take_external_names(),
      .secrets_in_use = tls.take_secrets(),
  };
}

}  // namespace cppx::controller
