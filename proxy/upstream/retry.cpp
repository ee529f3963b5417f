#include "proxy/upstream/retry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "routing/upstream/retry_policy.h"

namespace cppx::proxy {
namespace {

using routing::RetryOn;

constexpr std::uint32_t kFewestUnlimited = 3;
constexpr std::uint32_t kMostUnlimited = 16;

/// Sending again a request that a backend may have acted upon.
bool may_repeat(const routing::RetryPolicy& policy, const EndedTry& ended) noexcept {
  return ended.replayable && (ended.idempotent || policy.conditions.non_idempotent);
}

}  // namespace

bool may_retry(const routing::RetryPolicy& policy, const EndedTry& ended) noexcept {
  const auto on = [&policy](RetryOn reason) { return policy.conditions.has(reason); };
  switch (ended.end) {
    case TryEnd::kNotConnected:
      return on(RetryOn::kError) && !ended.body_begun;
    case TryEnd::kConnectTimeout:
      return on(RetryOn::kTimeout) && !ended.body_begun;
    case TryEnd::kNoResponse:
      return on(RetryOn::kError) &&
             (may_repeat(policy, ended) || (ended.replayable && ended.untouched));
    case TryEnd::kTimeout:
      return on(RetryOn::kTimeout) && may_repeat(policy, ended);
    case TryEnd::kBadResponse:
      return on(RetryOn::kInvalidHeader) && may_repeat(policy, ended);
    case TryEnd::kResponse: {
      const auto reason = routing::retry_on_status(ended.status);
      return reason && on(*reason) && may_repeat(policy, ended);
    }
    case TryEnd::kOther:
      return false;
  }
  return false;
}

bool may_retry_on_new_connection(
    const routing::RetryPolicy& policy, const EndedTry& ended
) noexcept {
  // Nothing could be sent on it.
  if (ended.end == TryEnd::kNotConnected) return !ended.body_begun;
  if (ended.end != TryEnd::kNoResponse || !ended.replayable) return false;
  // Who wants no request sent twice gets only those again that cannot have been received.
  return ended.untouched || (policy.conditions.has(RetryOn::kError) && may_repeat(policy, ended));
}

bool is_connection_failure(const EndedTry& ended) noexcept {
  if (!ended.new_connection) return false;
  return ended.end == TryEnd::kNotConnected || ended.end == TryEnd::kConnectTimeout ||
         (ended.end == TryEnd::kNoResponse && ended.replayable);
}

std::uint32_t most_tries(const routing::RetryPolicy& policy, std::size_t endpoints) noexcept {
  if (policy.tries != 0) return policy.tries;
  return std::clamp(
      static_cast<std::uint32_t>(std::min<std::size_t>(endpoints, kMostUnlimited)),
      kFewestUnlimited, kMostUnlimited
  );
}

}  // namespace cppx::proxy
