#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "routing/endpoint/endpoint_address.h"

namespace cppx::routing {

class EndpointHashes;

/// Why a pool has no endpoint: what `explain` and the diagnostics say. All of them are 503.
enum class PoolStatus : std::uint8_t {
  kReady,        ///< It has endpoints.
  kNoService,    ///< The Service does not exist.
  kNoPort,       ///< The Service has no such port.
  kNoEndpoints,  ///< No endpoint is ready (nor serving while terminating).
  kNotResolved,  ///< The name of an ExternalName Service has not been resolved (yet).
  kRefused,      ///< The name of an ExternalName Service may not be used (loopback, switched off).
};

/// The endpoints behind one Service port: what a route balances over. Immutable; a change of
/// endpoints makes a new pool with the same identity.
struct EndpointPool {
  std::string name;            ///< "namespace/service:port", the same in every snapshot.
  std::uint64_t identity = 0;  ///< hash64(name): key of the workers' own state (balancer position).
  PoolStatus status = PoolStatus::kNoEndpoints;
  std::vector<EndpointAddress> endpoints;  ///< Sorted, no duplicates.
  /// Null unless a route of the pool sends requests by a hash or a cookie.
  std::shared_ptr<const EndpointHashes> hashes{};
};

}  // namespace cppx::routing
