#pragma once

#include <cstdint>

#include "features/rate_limit/policy.h"
#include "proxy/limit/rate_table.h"
#include "proxy/limit/request_count_table.h"
#include "routing/balance/sip_hash.h"
#include "routing/client/ip_address.h"

namespace cppx::proxy {

/// What clients have asked for, as the limits of routes count it: one for all workers, and the one
/// thing that they share for a request. A share of the limit for each worker would be wrong: the
/// connections of a client are spread by chance, and a client with one connection would be held to
/// its worker's share. Counting where the connection is would let a client with many have the limit
/// many times. So routes with a limit pay for a shared count, one compare-and-swap each on a line
/// that only requests of the same few clients touch; other routes touch nothing. As nginx's zones.
class SharedLimits {
 public:
  /// `key` keeps clients from choosing who shares a set with them: random for each process.
  explicit SharedLimits(const routing::SipKey& key) noexcept : key_(key) {}

  /// Whether a request of `client` may go on: 0, or the status to refuse it with. It is counted as
  /// in progress while `counted` holds it. `now_us`: of a steady clock. From any thread.
  std::uint16_t admit(
      const features::RateLimits& limits, const routing::IpAddress& client, std::uint64_t now_us,
      CountedRequest& counted
  ) noexcept;

 private:
  enum class Kind : std::uint8_t { kPerSecond, kPerMinute, kConnections };
  [[nodiscard]] std::uint64_t key_of(
      Kind kind, std::uint64_t zone, const routing::IpAddress& client
  ) const noexcept;

  routing::SipKey key_;
  RateTable rates_;
  RequestCountTable counts_;
};

}  // namespace cppx::proxy
