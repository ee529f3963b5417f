#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "routing/endpoint/endpoint.h"
#include "routing/endpoint/pool_table.h"

namespace cppx::controller {

/// Which endpoints of one update get a JoinTime, decided here for all workers alike: those that are
/// added to a pool of which others stay, and that no pool had before. What is added to a pool and
/// was in another one already has the JoinTime that it has there. An update: note() of every pool
/// that is about to change; find_known(); then times_of() for each pool that is made.
class Arrivals {
 public:
  /// `now` is the JoinTime of this update; nothing: nobody gets one.
  explicit Arrivals(std::optional<routing::JoinTime> now) noexcept : now_(now) {}

  void note(const routing::EndpointPool& before, const routing::EndpointPool& after);
  /// `pools` are all there were before the update.
  void find_known(const routing::PoolTable& pools);

  /// EndpointPool::joined of `after`; `before` may be null.
  [[nodiscard]] std::vector<routing::JoinTime> times_of(
      const routing::EndpointPool* before, const routing::EndpointPool& after
  ) const;

 private:
  std::optional<routing::JoinTime> now_;
  std::unordered_map<routing::EndpointAddress, routing::JoinTime, routing::EndpointAddressHash>
      times_;  // of what is added to others
};

}  // namespace cppx::controller
