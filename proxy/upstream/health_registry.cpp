#include "proxy/upstream/health_registry.h"

#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>

#include "proxy/upstream/endpoint_health.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

std::shared_ptr<EndpointHealth> HealthRegistry::find_or_add(const routing::EndpointAddress& address
) {
  const std::lock_guard lock(mutex_);
  if (const auto found = records_.find(address); found != records_.end()) return found->second;
  if (records_.size() >= prune_at_) {
    // Copies are only made here, under the lock: a record with one owner has no other.
    for (auto at = records_.begin(); at != records_.end();)
      at = at->second.use_count() == 1 ? records_.erase(at) : std::next(at);
    prune_at_ = 2 * records_.size() + 64;
  }
  auto health = std::make_shared<EndpointHealth>(changes_);
  records_.emplace(address, health);
  return health;
}

std::size_t HealthRegistry::size() {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

}  // namespace cppx::proxy
