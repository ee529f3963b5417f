#include "controller/cache/store.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

template <class T>
bool same_but_version(const T& old, T& object) {
  auto version = std::exchange(object.meta.resource_version, old.meta.resource_version);
  const auto generation = std::exchange(object.meta.generation, old.meta.generation);
  const bool same = old == object;
  object.meta.resource_version = std::move(version);
  object.meta.generation = generation;
  return same;
}

// A change of its status alone makes a new version of an object that reads the same.
template <class T>
bool reads_same(const T& old, T& object) {
  return same_but_version(old, object);
}

// What cppx itself writes there must not make it translate anew.
bool reads_same(const Ingress& old, Ingress& object) {
  auto status = std::exchange(object.load_balancer, old.load_balancer);
  const bool same = same_but_version(old, object);
  object.load_balancer = std::move(status);
  return same;
}

template <class T>
bool apply_to(Store::Map<T>& map, T object) {
  auto& slot = map[object.meta.key];
  if (slot != nullptr && reads_same(*slot, object)) return false;
  slot = std::make_shared<const T>(std::move(object));
  return true;
}

}  // namespace

template <class Self, class Visit>
decltype(auto) Store::with_map(Self& self, Kind kind, Visit visit) {
  switch (kind) {
    case Kind::kIngress:
      return visit(self.ingresses_);
    case Kind::kIngressClass:
      return visit(self.ingress_classes_);
    case Kind::kService:
      return visit(self.services_);
    case Kind::kEndpointSlice:
      return visit(self.endpoint_slices_);
    case Kind::kSecret:
      return visit(self.secrets_);
    case Kind::kConfigMap:
      return visit(self.config_maps_);
    case Kind::kNamespace:
      break;
  }
  return visit(self.namespaces_);
}

bool Store::apply(Object object) {
  return with_map(*this, kind_of(object), [&]<class T>(Map<T>& map) {
    return apply_to(map, std::get<T>(std::move(object)));
  });
}

bool Store::remove(Kind kind, const ObjectKey& key) {
  return with_map(*this, kind, [&](auto& map) { return map.erase(key) != 0; });
}

bool Store::replace(Kind kind, const std::string& ns, std::vector<Object> objects) {
  return with_map(*this, kind, [&]<class T>(Map<T>& map) {
    bool changed = false;
    std::set<ObjectKey> kept;
    for (Object& object : objects) {
      T* value = std::get_if<T>(&object);
      if (value == nullptr) continue;
      kept.insert(value->meta.key);
      changed |= apply_to(map, std::move(*value));
    }
    const auto removed = std::erase_if(map, [&](const auto& entry) {
      return (ns.empty() || entry.first.ns == ns) && !kept.contains(entry.first);
    });
    return changed || removed != 0;
  });
}

}  // namespace cppx::controller
