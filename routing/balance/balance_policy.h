#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

#include "routing/balance/hash_pattern.h"

namespace cppx::routing {

/// How an endpoint is chosen where neither a hash nor a cookie decides.
enum class BalanceAlgorithm : std::uint8_t {
  kRoundRobin,
  kLeastRequest,  ///< Of two by chance, the one with fewer requests in progress.
  kEwma,          ///< Of two by chance, the one that has answered faster of late.
};

/// How the requests of a route are shared out.
struct BalancePolicy {
  BalanceAlgorithm algorithm = BalanceAlgorithm::kRoundRobin;
  HashPattern hash{};             ///< Not empty: consistent hashing goes first.
  std::uint32_t subset_size = 0;  ///< With a hash: any of so many endpoints; 0: one.

  auto operator<=>(const BalancePolicy&) const = default;
};

/// When an endpoint that fails gets no more requests, and how it comes back.
struct EjectionSettings {
  std::uint32_t failures = 3;                     ///< In a row; 0: never ejected.
  std::chrono::milliseconds first{1'000};         ///< Doubles with every ejection...
  std::chrono::milliseconds longest{30'000};      ///< ...up to this.
  std::chrono::milliseconds return_time{10'000};  ///< Of rising shares after its return.

  bool operator==(const EjectionSettings&) const = default;
};

/// What one worker lets one endpoint have; 0: no limit.
struct EndpointLimits {
  std::uint32_t connections = 0;  ///< Requests in progress.
  std::uint32_t pending = 0;      ///< Of those, waiting for a connection to be made.

  bool operator==(const EndpointLimits&) const = default;
};

}  // namespace cppx::routing
