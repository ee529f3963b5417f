#include "controller/translate/hosts.h"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/paths.h"
#include "controller/translate/pools.h"
#include "routing/endpoint/endpoint.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

using routing::PathType;

PathKey root_prefix() { return {"/", false}; }

std::string_view host_for_people(std::string_view host) {
  return host == kCatchAll ? std::string_view("without a name") : host;
}

}  // namespace

HostPlanner::HostPlanner(
    std::string name, PoolBook& pools, const DefaultBackend& default_backend,
    DiagnosticList& diagnostics
)
    : name_(std::move(name)),
      pools_(pools),
      default_backend_(default_backend),
      diagnostics_(diagnostics) {}

PlannedHost HostPlanner::plan(const Members& members, const Members& catch_all) {
  // A default backend without rules is settled before any path: a '/' without host loses to it.
  for (const SelectedIngress* selected : catch_all) add_catch_all(*selected);
  for (const SelectedIngress* selected : members)
    for (const std::size_t rule : selected->hosts.at(name_)) add_rule(*selected, rule);
  add_implicit_root(members.empty() ? nullptr : members.front());
  return std::move(host_);
}

void HostPlanner::add_catch_all(const SelectedIngress& selected) {
  const Ingress& ingress = *selected.ingress;
  if (const auto it = host_.routes.find(root_prefix()); it != host_.routes.end()) {
    diagnostics_.warn(
        ingress, "spec.defaultBackend", "PathConflict",
        fmt::format(
            "the default backend for all hosts is that of Ingress {}",
            it->second.owner->ingress->meta.key.to_string()
        )
    );
    return;
  }
  if (ingress.default_backend->has_resource) {
    report_resource(ingress, "spec.defaultBackend");
    return;
  }
  PlannedRoute route = route_to(selected, *ingress.default_backend, "spec.defaultBackend");
  route.has_annotations = false;
  host_.routes.emplace(root_prefix(), std::move(route));
}

void HostPlanner::add_rule(const SelectedIngress& selected, std::size_t rule_index) {
  const auto& paths = selected.ingress->rules[rule_index].paths;
  for (std::size_t i = 0; i < paths.size(); ++i)
    add_path(selected, paths[i], fmt::format("spec.rules[{}].http.paths[{}]", rule_index, i));
}

void HostPlanner::add_path(
    const SelectedIngress& selected, const IngressPath& path, const std::string& field
) {
  const std::string text = path.path.empty() ? "/" : path.path;
  if (const auto problem = path_problem(path.path_type, text)) {
    diagnostics_.error(
        *selected.ingress, field + ".path", "InvalidPath",
        fmt::format("\"{}\": {}; the path is left out", text, *problem)
    );
    return;
  }
  const PathKey key{text, path.path_type == PathType::kExact};
  if (const auto it = host_.routes.find(key); it != host_.routes.end()) {
    const Ingress& winner = *it->second.owner->ingress;
    diagnostics_.warn(
        *selected.ingress, field, "PathConflict",
        &winner == selected.ingress.get()
            ? fmt::format("{} is there already in this Ingress; the first one counts", text)
            : fmt::format(
                  "{} of host {} is served by Ingress {}, which comes first", text,
                  host_for_people(name_), winner.meta.key.to_string()
              )
    );
    return;
  }
  if (path.backend.has_resource) report_resource(*selected.ingress, field + ".backend");
  PlannedRoute route = path.backend.has_resource
                           ? default_route(&selected)
                           : route_to(selected, path.backend, field + ".backend");
  route.type = path.path_type;
  host_.routes.emplace(key, std::move(route));
}

void HostPlanner::add_implicit_root(const SelectedIngress* first) {
  if (host_.routes.contains(root_prefix())) return;
  const auto* backend = first != nullptr && first->ingress->default_backend
                            ? &*first->ingress->default_backend
                            : nullptr;
  if (backend != nullptr && backend->has_resource)
    report_resource(*first->ingress, "spec.defaultBackend");
  host_.routes.emplace(
      root_prefix(), backend != nullptr && !backend->has_resource
                         ? route_to(*first, *backend, "spec.defaultBackend")
                         : default_route(first)
  );
}

void HostPlanner::report_resource(const Ingress& ingress, const std::string& field) {
  diagnostics_.warn(
      ingress, field + ".resource", "UnsupportedBackend",
      "only Services can be sent requests; the default backend answers"
  );
}

PlannedRoute HostPlanner::route_to(
    const SelectedIngress& selected, const IngressBackend& backend, const std::string& field
) {
  const Ingress& ingress = *selected.ingress;
  const std::string& ns = ingress.meta.key.ns;
  const PlannedPool& pool =
      pools_.use(name_, ns, backend.service, backend.port, selected.annotations.needs_hashes());
  const std::string port = to_string(backend.port);
  if (pool.pool.status == routing::PoolStatus::kNoService)
    diagnostics_.warn(
        ingress, field + ".service.name", "ServiceNotFound",
        fmt::format("Service {}/{} does not exist; requests get 503", ns, backend.service)
    );
  if (pool.pool.status == routing::PoolStatus::kNoPort)
    diagnostics_.warn(
        ingress, field + ".service.port", "ServicePortNotFound",
        fmt::format("Service {}/{} has no port {}; requests get 503", ns, backend.service, port)
    );
  const IngressAnnotations& annotations = selected.annotations;
  if (annotations.upstream_proxy_protocol && !annotations.backend_protocol &&
      pool.protocol == routing::BackendProtocol::kGrpc)
    diagnostics_.warn(
        ingress, field + ".service", "InvalidAnnotation",
        fmt::format(
            "cppx.io/proxy-protocol is not for Service {}/{}, whose appProtocol is HTTP/2: its "
            "connections are shared by clients; no PROXY header is sent",
            ns, backend.service
        )
    );
  PlannedRoute route;
  route.pool = &pool;
  route.owner = &selected;
  route.origin = {
      .ns = ns, .ingress = ingress.meta.key.name, .service = backend.service, .service_port = port
  };
  return route;
}

PlannedRoute HostPlanner::default_route(const SelectedIngress* owner) const {
  PlannedRoute route;
  route.pool = default_backend_.pool;
  route.origin = default_backend_.origin;
  route.owner = owner;
  return route;
}

}  // namespace cppx::controller
