#include "proxy/limit/shared_limits.h"

#include <cstdint>

#include "features/rate_limit/leaky_bucket.h"
#include "features/rate_limit/policy.h"
#include "proxy/limit/request_count_table.h"
#include "routing/balance/sip_hash.h"
#include "routing/client/ip_address.h"

namespace cppx::proxy {
namespace {

using features::BucketRate;

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kMinute = 60 * kSecond;

}  // namespace

std::uint64_t SharedLimits::key_of(Kind kind, std::uint64_t zone, const routing::IpAddress& client)
    const noexcept {
  routing::SipHash hash(key_);
  hash.push(static_cast<std::uint8_t>(kind));
  for (unsigned shift = 0; shift < 64; shift += 8)
    hash.push(static_cast<std::uint8_t>(zone >> shift & 0xff));
  for (const std::uint8_t byte : client.bytes) hash.push(byte);
  return hash.finish();
}

std::uint16_t SharedLimits::admit(
    const features::RateLimits& limits, const routing::IpAddress& client, std::uint64_t now_us,
    CountedRequest& counted
) noexcept {
  if (limits.exempt.contains(client)) return 0;
  // The order of nginx: rates before the number at the same time.
  BucketRate second;
  std::uint64_t second_key = 0;
  if (limits.per_second != 0) {
    second = BucketRate::of(kSecond, limits.per_second, limits.burst_multiplier);
    second_key = key_of(Kind::kPerSecond, limits.zone, client);
    if (!rates_.take(second_key, now_us, second)) return limits.rate_status;
  }
  if (limits.per_minute != 0) {
    const auto minute = BucketRate::of(kMinute, limits.per_minute, limits.burst_multiplier);
    if (!rates_.take(key_of(Kind::kPerMinute, limits.zone, client), now_us, minute)) {
      if (limits.per_second != 0) rates_.give_back(second_key, now_us, second);
      return limits.rate_status;
    }
  }
  if (limits.connections == 0) return 0;
  counted = counts_.add(key_of(Kind::kConnections, limits.zone, client), limits.connections);
  return counted ? 0 : limits.connections_status;
}

}  // namespace cppx::proxy
