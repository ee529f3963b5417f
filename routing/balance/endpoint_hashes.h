#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "routing/balance/maglev_table.h"
#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::routing {

/// What a pool needs so that requests can be sent to an endpoint by a hash or by a cookie.
/// Immutable, part of the pool.
class EndpointHashes {
 public:
  /// `key` makes the identities that cookies carry.
  EndpointHashes(std::span<const EndpointAddress> endpoints, const SipKey& key);

  [[nodiscard]] const MaglevTable& maglev() const noexcept { return maglev_; }
  [[nodiscard]] const SipKey& key() const noexcept { return key_; }

  /// Names the endpoint to those who know the key and tells others nothing.
  [[nodiscard]] std::uint64_t identity_of(const EndpointAddress& address) const noexcept;
  /// Index of the endpoint of that identity; nothing when it is not in the pool (any more).
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t identity) const noexcept;

 private:
  SipKey key_;
  MaglevTable maglev_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> by_identity_;  // sorted
};

}  // namespace cppx::routing
