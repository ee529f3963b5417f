#include "proxy/upstream/health_registry.h"

#include <cstddef>
#include <memory>
#include <mutex>

#include "proxy/upstream/endpoint_health.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

HealthRegistry::Found HealthRegistry::find_or_add(const routing::EndpointAddress& address) {
  const std::lock_guard lock(mutex_);
  if (const auto found = records_.find(address); found != records_.end())
    return {.health = found->second, .is_new = false};
  if (records_.size() >= prune_at_) {
    // Copies are only made here, under the lock: a record with one owner has no other.
    std::erase_if(records_, [](const auto& entry) { return entry.second.use_count() == 1; });
    prune_at_ = 2 * records_.size() + 64;
  }
  auto health = std::make_shared<EndpointHealth>(changes_);
  records_.emplace(address, health);
  return {.health = std::move(health), .is_new = true};
}

std::size_t HealthRegistry::size() {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

}  // namespace cppx::proxy
