#include "controller/admission/small_store.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/translate.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

/// Path and whether it is Exact, as conflicts go by.
using Claim = std::pair<std::string_view, bool>;

Claim claim_of(const IngressPath& path) {
  return {
      path.path.empty() ? std::string_view("/") : std::string_view(path.path),
      path.path_type == routing::PathType::kExact
  };
}

/// Order of hosts, whatever their case. Whoever writes an Ingress chooses them: no hash.
struct HostLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept {
    return std::ranges::lexicographical_compare(a, b, [](char left, char right) {
      return to_lower(left) < to_lower(right);
    });
  }
};

/// The paths of an Ingress by host.
using Claims = std::map<std::string_view, std::set<Claim>, HostLess>;

Claims claims_of(const Ingress& ingress) {
  Claims out;
  for (const IngressRule& rule : ingress.rules) {
    auto& claims = out[rule.host];
    for (const IngressPath& path : rule.paths) claims.insert(claim_of(path));
  }
  // The default backend of an Ingress without rules is the '/' of the host without a name.
  if (ingress.rules.empty() && ingress.default_backend) out[""].insert({"/", false});
  return out;
}

/// Finds the Ingresses that share something with the reviewed one, which it borrows. Makes no text
/// of the hosts it looks up: there may be many thousand.
class Sharing {
 public:
  explicit Sharing(const Ingress& reviewed) : claims_(claims_of(reviewed)) {}

  [[nodiscard]] bool shares_host(const Ingress& other) const {
    if (other.rules.empty()) return other.default_backend && claims_.contains("");
    return std::ranges::any_of(other.rules, [&](const IngressRule& rule) {
      return claims_.contains(rule.host);
    });
  }

  [[nodiscard]] bool shares_path(const Ingress& other) const {
    if (other.rules.empty()) return claims_.find("")->second.contains({"/", false});
    return std::ranges::any_of(other.rules, [&](const IngressRule& rule) {
      const auto it = claims_.find(rule.host);
      return it != claims_.end() && std::ranges::any_of(rule.paths, [&](const IngressPath& path) {
               return it->second.contains(claim_of(path));
             });
    });
  }

  /// Hosts of the reviewed one that `other` has too.
  template <class Visit>
  void each_shared_host(const Ingress& other, Visit visit) const {
    for (const IngressRule& rule : other.rules)
      if (const auto it = claims_.find(rule.host); it != claims_.end()) visit(it->first);
  }

 private:
  Claims claims_;
};

bool is_older(const Ingress& a, const Ingress& b) {
  if (a.meta.creation_timestamp != b.meta.creation_timestamp)
    return a.meta.creation_timestamp < b.meta.creation_timestamp;
  return a.meta.key.to_string() > b.meta.key.to_string();
}

void add_backend(const Ingress& ingress, const IngressBackend& backend, std::set<ObjectKey>& out) {
  if (!backend.has_resource) out.insert(ObjectKey{ingress.meta.key.ns, backend.service});
}

void add_services(const Store& store, const Ingress& ingress, Store& out) {
  std::set<ObjectKey> services;
  if (ingress.default_backend) add_backend(ingress, *ingress.default_backend, services);
  for (const IngressRule& rule : ingress.rules)
    for (const IngressPath& path : rule.paths) add_backend(ingress, path.backend, services);
  for (const ObjectKey& key : services)
    if (const auto it = store.services().find(key); it != store.services().end())
      out.apply(*it->second);
}

void note_secrets(const Ingress& ingress, std::set<ObjectKey>& out) {
  for (const IngressTls& entry : ingress.tls)
    out.insert(ObjectKey{ingress.meta.key.ns, entry.secret_name});
}

void add_globals(const Store& store, const TranslateOptions& options, Store& out) {
  for (const auto& [key, ingress_class] : store.ingress_classes()) out.apply(*ingress_class);
  if (!options.config_map) return;
  const auto it = store.config_maps().find(*options.config_map);
  if (it != store.config_maps().end()) out.apply(*it->second);
}

/// Those that take a path of the reviewed one, and of each of its hosts the one that decides TLS.
std::set<const Ingress*> find_sharers(
    const Store& store, const TranslateOptions& options, const Ingress& reviewed
) {
  const Sharing sharing(reviewed);
  const ClassSelection classes(options.classes, store);
  std::set<const Ingress*> out;
  std::map<std::string_view, const Ingress*> tls_owners;
  for (const auto& [key, other] : store.ingresses()) {
    if (key == reviewed.meta.key || !sharing.shares_host(*other)) continue;
    if (classes.judge(*other) != ClassVerdict::kOurs) continue;
    if (sharing.shares_path(*other)) out.insert(other.get());
    if (other->tls.empty()) continue;
    sharing.each_shared_host(*other, [&](std::string_view host) {
      const Ingress*& owner = tls_owners[host];
      if (owner == nullptr || is_older(*other, *owner)) owner = other.get();
    });
  }
  for (const auto& [host, owner] : tls_owners) out.insert(owner);
  return out;
}

}  // namespace

Store small_store_for(
    const Store& store, const TranslateOptions& options, const Ingress& reviewed
) {
  Store out;
  add_globals(store, options, out);
  add_services(store, reviewed, out);
  // Each once: a Secret may be large, and an Ingress may name it a thousand times.
  std::set<ObjectKey> secrets;
  note_secrets(reviewed, secrets);
  for (const Ingress* other : find_sharers(store, options, reviewed)) {
    out.apply(*other);
    note_secrets(*other, secrets);
  }
  for (const ObjectKey& key : secrets)
    if (const auto it = store.secrets().find(key); it != store.secrets().end())
      out.apply(*it->second);
  return out;
}

}  // namespace cppx::controller
