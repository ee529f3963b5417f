#include "controller/translate/slice_index.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"

namespace cppx::controller {

void SliceIndex::rebuild(const Store& store) {
  slices_.clear();
  services_.clear();
  for (const auto& [key, slice] : store.endpoint_slices()) add(key, *slice);
}

void SliceIndex::add(const ObjectKey& slice, const EndpointSlice& object) {
  if (object.service.empty()) return;
  ObjectKey service{slice.ns, object.service};
  // In order of their keys, whatever the order they came in.
  auto& list = slices_[service];
  list.insert(std::ranges::lower_bound(list, slice), slice);
  services_.emplace(slice, std::move(service));
}

std::vector<ObjectKey> SliceIndex::update(const Store& store, const ObjectKey& slice) {
  std::vector<ObjectKey> services;
  if (const auto old = services_.find(slice); old != services_.end()) {
    const auto list = slices_.find(old->second);
    std::erase(list->second, slice);
    if (list->second.empty()) slices_.erase(list);
    services.push_back(old->second);
    services_.erase(old);
  }
  const auto it = store.endpoint_slices().find(slice);
  if (it == store.endpoint_slices().end()) return services;
  add(slice, *it->second);
  if (const auto now = services_.find(slice); now != services_.end())
    services.push_back(now->second);
  return services;
}

std::vector<const EndpointSlice*> SliceIndex::slices_of(
    const Store& store, const ObjectKey& service
) const {
  std::vector<const EndpointSlice*> out;
  const auto list = slices_.find(service);
  if (list == slices_.end()) return out;
  for (const ObjectKey& key : list->second)
    if (const auto it = store.endpoint_slices().find(key); it != store.endpoint_slices().end())
      out.push_back(it->second.get());
  const auto is_legacy = [](const EndpointSlice* slice) { return slice->from_endpoints; };
  if (!std::ranges::all_of(out, is_legacy)) std::erase_if(out, is_legacy);
  return out;
}

}  // namespace cppx::controller
