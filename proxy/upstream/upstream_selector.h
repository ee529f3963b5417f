#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "proxy/upstream/balancer.h"
#include "proxy/upstream/retry.h"
#include "proxy/upstream/retry_budget.h"
#include "routing/endpoint/endpoint.h"
#include "routing/snapshot.h"

namespace cppx::proxy {

/// The endpoints one request was sent to, so that a retry goes elsewhere while there is somewhere.
class TriedEndpoints {
 public:
  void add(std::uint32_t index) noexcept {
    if (size_ < indices_.size()) indices_[size_++] = index;
  }
  [[nodiscard]] bool contains(std::uint32_t index) const noexcept {
    for (std::uint32_t i = 0; i < size_; ++i)
      if (indices_[i] == index) return true;
    return false;
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

 private:
  std::array<std::uint32_t, 16> indices_;
  std::uint32_t size_ = 0;
};

/// What one request needs to know of its upstream: which endpoint is next, how long to wait for it,
/// whether another one may be asked. Holds references into the snapshot: the stream's pin keeps it.
///
///   begin(); next() → a try → may_retry() → next() → ...
class UpstreamSelector {
 public:
  using Clock = std::chrono::steady_clock;

  UpstreamSelector(Balancer& balancer, RetryBudget& budget) noexcept
      : balancer_(balancer), budget_(budget) {}

  /// `route` leads to a pool that has endpoints.
  void begin(const routing::Snapshot& snapshot, const routing::Route& route);

  /// The endpoint for the next try.
  const routing::EndpointAddress& next();

  /// Those of the route, or those for all. After begin().
  [[nodiscard]] const routing::UpstreamTimeouts& timeouts() const noexcept { return *timeouts_; }

  /// Whether to make one more try with next() after the last one ended like this: the policy's
  /// conditions, number and time allow it, and so does the budget, which pays for it.
  bool may_retry(const EndedTry& ended);
  /// Whether to make the same try once more, on a connection of its own. Not counted.
  [[nodiscard]] bool may_retry_on_new_connection(const EndedTry& ended) const noexcept {
    return proxy::may_retry_on_new_connection(*retry_, ended);
  }

 private:
  Balancer& balancer_;
  RetryBudget& budget_;
  const routing::EndpointPool* pool_ = nullptr;
  const routing::ProxySettings* settings_ = nullptr;
  const routing::RetryPolicy* retry_ = nullptr;
  const routing::UpstreamTimeouts* timeouts_ = nullptr;
  TriedEndpoints tried_;
  std::uint32_t tries_ = 0;
  Clock::time_point started_;  // only where the policy has a total time
};

}  // namespace cppx::proxy
