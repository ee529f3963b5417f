#include "routing/balance/endpoint_hashes.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::routing {

EndpointHashes::EndpointHashes(std::span<const EndpointAddress> endpoints, const SipKey& key)
    : key_(key), maglev_(endpoints) {
  by_identity_.reserve(endpoints.size());
  for (std::uint32_t i = 0; i < endpoints.size(); ++i)
    by_identity_.emplace_back(identity_of(endpoints[i]), i);
  std::ranges::sort(by_identity_);
}

std::uint64_t EndpointHashes::identity_of(const EndpointAddress& address) const noexcept {
  SipHash hash(key_);
  for (const std::uint8_t byte : address.ip) hash.push(byte);
  hash.push(static_cast<std::uint8_t>(address.port >> 8));
  hash.push(static_cast<std::uint8_t>(address.port & 0xff));
  return hash.finish();
}

std::optional<std::uint32_t> EndpointHashes::find(std::uint64_t identity) const noexcept {
  const auto at = std::ranges::lower_bound(by_identity_, identity, {}, [](const auto& entry) {
    return entry.first;
  });
  if (at == by_identity_.end() || at->first != identity) return std::nullopt;
  return at->second;
}

}  // namespace cppx::routing
