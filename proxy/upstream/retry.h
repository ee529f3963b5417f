#pragma once

#include <cstddef>
#include <cstdint>

#include "routing/upstream/retry_policy.h"

namespace cppx::proxy {

/// How a try with one endpoint ended.
enum class TryEnd : std::uint8_t {
  kResponse,  ///< With the head of a response.
  kNotConnected,
  kConnectTimeout,
  kNoResponse,   ///< The connection ended before a complete head.
  kTimeout,      ///< While sending or waiting for the response.
  kBadResponse,  ///< What came is not HTTP.
  kOther,        ///< By the client, or for want of descriptors: nobody else is to be asked.
};

/// A try and what its request allows.
struct EndedTry {
  TryEnd end = TryEnd::kOther;
  std::uint16_t status = 0;  ///< Of kResponse; none of it has been passed on.
  bool idempotent = false;   ///< By its method (RFC 9110 9.2.2).
  bool replayable = false;   ///< The whole body is at hand, or nothing of it was taken yet.
  bool body_begun = false;  ///< A part that is not at hand any more has been taken from the client.
  bool new_connection = false;  ///< Nothing had been sent on it before.
  bool untouched = false;       ///< The backend cannot have read anything of the request.
};

/// Whether the request may be sent to the next endpoint, as far as its nature and the policy's
/// conditions go; number, time and budget are not looked at.
bool may_retry(const routing::RetryPolicy& policy, const EndedTry& ended) noexcept;

/// Whether a request that failed on a connection used before may be sent again on one of its own,
/// which counts as the same try: a backend may close an idle connection at any moment
/// (RFC 9112 9.3.1).
bool may_retry_on_new_connection(
    const routing::RetryPolicy& policy, const EndedTry& ended
) noexcept;

/// Whether the try says something bad of the endpoint: it takes no connections, or ends them
/// without an answer. Not one that had been idle, nor one that ended while the body was still
/// coming, nor slowness: all of these a client can bring about.
bool is_connection_failure(const EndedTry& ended) noexcept;

/// The most tries for one request with a pool of `endpoints`: bounded also where the policy has no
/// limit.
std::uint32_t most_tries(const routing::RetryPolicy& policy, std::size_t endpoints) noexcept;

}  // namespace cppx::proxy
