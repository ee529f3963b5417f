#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "proxy/upstream/tried_endpoints.h"
#include "routing/balance/balance_policy.h"
#include "routing/endpoint/endpoint.h"
#include "routing/settings.h"

namespace cppx::proxy {

/// Who asks for an endpoint.
struct BalanceRequest {
  const std::shared_ptr<const routing::EndpointPool>& pool;  ///< Not empty.
  const routing::ProxySettings& settings;
  routing::BalanceAlgorithm algorithm = routing::BalanceAlgorithm::kRoundRobin;
  /// Decides in place of the algorithm, if the pool has hashes.
  std::optional<std::uint64_t> hash{};
  std::uint32_t subset_size = 0;  ///< With a hash: any of so many; 0: one.
  bool exact = false;             ///< With a hash: the one endpoint and no other.
  TriedEndpoints tried{};
};

}  // namespace cppx::proxy
