#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {

/// One object, by its kind and key.
struct ObjectRef {
  Kind kind = Kind::kIngress;
  ObjectKey key;
};

/// The cluster as cppx last heard of it: one map a kind. Objects are immutable and shared, so that
/// a copy of a pointer outlives a change. One thread. Filled by the Kubernetes and the manifests
/// source, by tests and by dry runs: one door. Remembers what changed of late, for those who follow
/// it. A copy is another store.
class Store {
 public:
  /// A moment in the life of one store; that of no store at first.
  struct Position {
    std::uint64_t store = 0;
    std::uint64_t changes = 0;
  };
  /// So many changes are remembered; whoever is farther behind looks at everything.
  static constexpr std::size_t kChangesKept = 4096;

  template <class T>
  using Map = std::map<ObjectKey, std::shared_ptr<const T>>;

  /// Adds or replaces. False, and nothing is changed, when an object is there already that differs
  /// in nothing cppx reads (its resourceVersion, generation and status do not count).
  bool apply(Object object);
  /// False when there was none.
  bool remove(Kind kind, const ObjectKey& key);
  /// All objects of the kind in the namespace at once, as after a list: what is not in `objects` is
  /// removed. An empty `ns` means all namespaces. False when nothing changed.
  bool replace(Kind kind, const std::string& ns, std::vector<Object> objects);

  [[nodiscard]] Position position() const noexcept {
    return {.store = identity_.value, .changes = change_count_};
  }
  /// What was added, replaced or removed since then, an object perhaps several times; nothing when
  /// that is not known (any more).
  [[nodiscard]] std::optional<std::vector<ObjectRef>> changes_since(const Position& then) const;

  [[nodiscard]] const Map<Ingress>& ingresses() const noexcept { return ingresses_; }
  [[nodiscard]] const Map<IngressClass>& ingress_classes() const noexcept {
    return ingress_classes_;
  }
  [[nodiscard]] const Map<Service>& services() const noexcept { return services_; }
  [[nodiscard]] const Map<EndpointSlice>& endpoint_slices() const noexcept {
    return endpoint_slices_;
  }
  [[nodiscard]] const Map<Secret>& secrets() const noexcept { return secrets_; }
  [[nodiscard]] const Map<ConfigMap>& config_maps() const noexcept { return config_maps_; }
  [[nodiscard]] const Map<Namespace>& namespaces() const noexcept { return namespaces_; }

 private:
  /// No two stores have the same one.
  struct Identity {
    Identity() noexcept;
    Identity(const Identity&) noexcept : Identity() {}
    Identity& operator=(const Identity&) noexcept;
    ~Identity() = default;
    std::uint64_t value = 0;
  };

  void note(Kind kind, const ObjectKey& key);

  /// Calls `visit` with the map of the kind.
  template <class Self, class Visit>
  static decltype(auto) with_map(Self& self, Kind kind, Visit visit);

  Identity identity_;
  std::deque<ObjectRef> changes_;  // the last ones
  std::uint64_t change_count_ = 0;
  Map<Ingress> ingresses_;
  Map<IngressClass> ingress_classes_;
  Map<Service> services_;
  Map<EndpointSlice> endpoint_slices_;
  Map<Secret> secrets_;
  Map<ConfigMap> config_maps_;
  Map<Namespace> namespaces_;
};

}  // namespace cppx::controller
