#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/pools.h"
#include "controller/translate/selection.h"
#include "routing/match/route.h"
#include "tls/certificate.h"

namespace cppx::controller {

/// Where a path of an Ingress leads; the pool is null for the built-in default backend.
struct PlannedRoute {
  routing::PathType type = routing::PathType::kPrefix;
  const PlannedPool* pool = nullptr;
  routing::RouteOrigin origin;
  const SelectedIngress* owner = nullptr;  ///< Null for the built-in default backend.
  /// False where an Ingress that has a default backend and no rules only lends its backend.
  bool has_annotations = true;
};

/// Name of the host that serves what no other one does.
inline constexpr std::string_view kCatchAll = "_";

/// Path and whether it is Exact: two routes of a host with an equal one conflict.
using PathKey = std::pair<std::string, bool>;

struct PlannedHost {
  std::map<PathKey, PlannedRoute> routes;
  const SelectedIngress* tls_owner = nullptr;  ///< The oldest Ingress of the host with `tls`.
  std::shared_ptr<const tls::Certificate> certificate;  ///< Null: the host has no `tls`.
};

/// Of --default-backend-service; without a pool the built-in one answers 404.
struct DefaultBackend {
  const PlannedPool* pool = nullptr;
  routing::RouteOrigin origin;
};

/// The Ingresses that have a say in a host, in order of precedence.
using Members = std::vector<const SelectedIngress*>;

/// Merges the Ingresses of one host into its paths: who asks first for a path has it, and a
/// diagnostic on the other names the winner. Every host gets a '/'.
class HostPlanner {
 public:
  HostPlanner(
      std::string name, PoolBook& pools, const DefaultBackend& default_backend,
      DiagnosticList& diagnostics
  );

  /// `catch_all` are the Ingresses that are nothing but a default backend: only for the host "_".
  /// All of them must outlive the plan.
  PlannedHost plan(const Members& members, const Members& catch_all);

 private:
  void add_catch_all(const SelectedIngress& selected);
  void add_rule(const SelectedIngress& selected, std::size_t rule_index);
  void add_path(const SelectedIngress& selected, const IngressPath& path, const std::string& field);
  void add_implicit_root(const SelectedIngress* first);
  void report_resource(const Ingress& ingress, const std::string& field);
  PlannedRoute route_to(
      const SelectedIngress& selected, const IngressBackend& backend, const std::string& field
  );
  PlannedRoute default_route(const SelectedIngress* owner) const;

  std::string name_;
  PoolBook& pools_;
  const DefaultBackend& default_backend_;
  DiagnosticList& diagnostics_;
  PlannedHost host_;
};

}  // namespace cppx::controller
