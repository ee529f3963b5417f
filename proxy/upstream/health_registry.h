#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "proxy/upstream/endpoint_health.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

/// The health records of all endpoints, owned by the ProxyServer. A worker asks for a record when
/// it first meets an endpoint and keeps it; records that no worker keeps are forgotten.
class HealthRegistry {
 public:
  /// From any thread. The lock is taken once for each endpoint and worker, not for requests: a post
  /// to an owner would leave the first request without its record.
  std::shared_ptr<EndpointHealth> find_or_add(const routing::EndpointAddress& address);

  /// Changes of phase so far, of all records: while it stays, so do they.
  [[nodiscard]] const std::atomic<std::uint64_t>& changes() const noexcept { return changes_; }
  [[nodiscard]] std::size_t size();

 private:
  std::atomic<std::uint64_t> changes_{0};  // before the records, which refer to it
  std::mutex mutex_;
  std::unordered_map<
      routing::EndpointAddress, std::shared_ptr<EndpointHealth>, routing::EndpointAddressHash>
      records_;                // guarded by mutex_
  std::size_t prune_at_ = 64;  // guarded by mutex_
};

}  // namespace cppx::proxy
