#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/annotations.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/pools.h"
#include "routing/match/route.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// An Ingress that is ours, with its annotations read.
struct SelectedIngress {
  const Ingress* ingress = nullptr;
  IngressAnnotations annotations;
};

/// Where a path of an Ingress leads; the pool is null for the built-in default backend.
struct PlannedRoute {
  routing::PathType type = routing::PathType::kPrefix;
  const PlannedPool* pool = nullptr;
  routing::RouteOrigin origin;
  const SelectedIngress* owner = nullptr;  ///< Null for the built-in default backend.
  /// False where an Ingress that has a default backend and no rules only lends its backend.
  bool has_annotations = true;
};

/// Path and whether it is Exact: two routes of a host with an equal one conflict.
using PathKey = std::pair<std::string, bool>;

struct PlannedHost {
  const SelectedIngress* first = nullptr;  ///< Whose annotations the implicit '/' carries.
  std::map<PathKey, PlannedRoute> routes;
  const SelectedIngress* tls_owner = nullptr;  ///< The oldest Ingress of the host with `tls`.
  std::shared_ptr<const tls::Certificate> certificate;  ///< Null: the host has no `tls`.
};

/// By name, "_" among them.
using HostPlan = std::map<std::string, PlannedHost, std::less<>>;

/// A Service as default backend: its namespace, name and port.
struct DefaultBackend {
  const PlannedPool* pool = nullptr;
  routing::RouteOrigin origin;
};

/// Merges Ingresses into hosts and paths. `ingresses` come in order of precedence: who asks first
/// for a path has it, and a diagnostic on the other names the winner. Every host gets a '/'.
class HostPlanner {
 public:
  HostPlanner(PoolBuilder& pools, DefaultBackend default_backend, DiagnosticList& diagnostics);

  HostPlan plan(const std::vector<SelectedIngress>& ingresses);

 private:
  void add_catch_all(const SelectedIngress& selected);
  void add_rule(const SelectedIngress& selected, std::size_t rule_index);
  void add_path(
      const SelectedIngress& selected, PlannedHost& host, const std::string& host_name,
      const IngressPath& path, const std::string& field
  );
  void add_implicit_root(PlannedHost& host);
  PlannedRoute route_to(
      const SelectedIngress& selected, const IngressBackend& backend, const std::string& field
  );
  PlannedRoute default_route(const SelectedIngress* owner) const;

  PoolBuilder& pools_;
  DefaultBackend default_backend_;
  DiagnosticList& diagnostics_;
  HostPlan plan_;
};

}  // namespace cppx::controller
