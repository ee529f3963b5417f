#include "controller/cache/store.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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

Store::Identity::Identity() noexcept {
  static std::atomic<std::uint64_t> last{0};
  value = last.fetch_add(1, std::memory_order_relaxed) + 1;
}

Store::Identity& Store::Identity::operator=(const Identity&) noexcept {
  value = Identity().value;
  return *this;
}

void Store::note(Kind kind, const ObjectKey& key) {
  changes_.push_back({.kind = kind, .key = key});
  ++change_count_;
  if (changes_.size() > kChangesKept) changes_.pop_front();
}

std::optional<std::vector<ObjectRef>> Store::changes_since(const Position& then) const {
  if (then.store != identity_.value || change_count_ - then.changes > changes_.size())
    return std::nullopt;
  const auto missed = static_cast<std::ptrdiff_t>(change_count_ - then.changes);
  return std::vector<ObjectRef>(changes_.end() - missed, changes_.end());
}

bool Store::apply(Object object) {
  const Kind kind = kind_of(object);
  return with_map(*this, kind, [&]<class T>(Map<T>& map) {
    T value = std::get<T>(std::move(object));
    const ObjectKey key = value.meta.key;
    const bool changed = apply_to(map, std::move(value));
    if (changed) note(kind, key);
    return changed;
  });
}

bool Store::remove(Kind kind, const ObjectKey& key) {
  const bool removed = with_map(*this, kind, [&](auto& map) { return map.erase(key) != 0; });
  if (removed) note(kind, key);
  return removed;
}

bool Store::replace(Kind kind, const std::string& ns, std::vector<Object> objects) {
  return with_map(*this, kind, [&]<class T>(Map<T>& map) {
    const std::uint64_t before = change_count_;
    std::set<ObjectKey> kept;
    for (Object& object : objects) {
      if (!std::holds_alternative<T>(object)) continue;
      kept.insert(meta_of(object).key);
      apply(std::move(object));
    }
    std::erase_if(map, [&](const auto& entry) {
      const bool gone = (ns.empty() || entry.first.ns == ns) && !kept.contains(entry.first);
      if (gone) note(kind, entry.first);
      return gone;
    });
    return change_count_ != before;
  });
}

}  // namespace cppx::controller
