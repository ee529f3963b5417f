#pragma once

#include <tuple>

#include "controller/cache/store.h"

namespace cppx::controller {

/// What a Store held at a moment, for another thread: the maps are copied, the objects shared.
using StoreCopy = std::tuple<
    Store::Map<IngressClass>, Store::Map<Namespace>, Store::Map<ConfigMap>, Store::Map<Secret>,
    Store::Map<Service>, Store::Map<EndpointSlice>, Store::Map<Ingress>>;

inline StoreCopy copy_of(const Store& store) {
  return {store.ingress_classes(), store.namespaces(),      store.config_maps(), store.secrets(),
          store.services(),        store.endpoint_slices(), store.ingresses()};
}

/// Calls `visit` with each object.
template <class Visit>
void for_each_object(const StoreCopy& copy, Visit visit) {
  std::apply(
      [&](const auto&... maps) {
        const auto visit_all = [&](const auto& map) {
          for (const auto& [key, object] : map) visit(*object);
        };
        (visit_all(maps), ...);
      },
      copy
  );
}

}  // namespace cppx::controller
