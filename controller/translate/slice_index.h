#pragma once

#include <map>
#include <vector>

#include "controller/cache/store.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Which EndpointSlices are of which Service, kept up while they change.
class SliceIndex {
 public:
  /// Reads all of them.
  void rebuild(const Store& store);
  /// One was added, replaced or removed. Returns the Services that it was and is of.
  std::vector<ObjectKey> update(const Store& store, const ObjectKey& slice);

  /// Without the legacy Endpoints where there are slices: Kubernetes mirrors Endpoints into slices,
  /// and both at once would be the same twice. Valid as long as the store does not change.
  [[nodiscard]] std::vector<const EndpointSlice*> slices_of(
      const Store& store, const ObjectKey& service
  ) const;

 private:
  void add(const ObjectKey& slice, const EndpointSlice& object);

  std::map<ObjectKey, std::vector<ObjectKey>> slices_;  // by Service
  std::map<ObjectKey, ObjectKey> services_;             // by slice
};

}  // namespace cppx::controller
