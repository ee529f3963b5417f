#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {

/// The cluster as cppx last heard of it: one map a kind. Objects are immutable and shared, so that
/// a copy of a pointer outlives a change. One thread. Filled by the Kubernetes and the manifests
/// source, by tests and by dry runs: one door.
class Store {
 public:
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
  /// Calls `visit` with the map of the kind.
  template <class Self, class Visit>
  static decltype(auto) with_map(Self& self, Kind kind, Visit visit);

  Map<Ingress> ingresses_;
  Map<IngressClass> ingress_classes_;
  Map<Service> services_;
  Map<EndpointSlice> endpoint_slices_;
  Map<Secret> secrets_;
  Map<ConfigMap> config_maps_;
  Map<Namespace> namespaces_;
};

}  // namespace cppx::controller
