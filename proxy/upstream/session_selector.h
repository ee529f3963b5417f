#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "features/session_affinity/policy.h"
#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/balancer.h"
#include "routing/endpoint/endpoint.h"
#include "routing/http/message.h"

namespace cppx::proxy {

/// Chooses endpoints for one request of a session. Inactive until begin().
class SessionSelector {
 public:
  /// Afresh; it stays inactive when the pool has no hashes.
  void begin(
      const features::SessionAffinity& affinity, const routing::EndpointPool& pool,
      const routing::HeaderFields& fields
  );
  [[nodiscard]] bool active() const noexcept { return affinity_ != nullptr; }

  /// As Balancer::choose(), but by the cookie the client has. `request` says what else would
  /// decide.
  std::optional<Choice> choose(Balancer& balancer, BalanceRequest request);

  /// What the client's cookie shall carry from now on; nothing if it is to stay as it is.
  [[nodiscard]] std::optional<std::uint64_t> new_key() const noexcept { return new_key_; }
  /// After begin().
  [[nodiscard]] const features::SessionAffinity& affinity() const noexcept { return *affinity_; }
  [[nodiscard]] std::uint64_t pool_identity() const noexcept;

 private:
  std::optional<Choice> choose_balanced(Balancer& balancer, BalanceRequest request);
  std::optional<Choice> choose_persistent(Balancer& balancer, const BalanceRequest& request);
  /// Whether the session's endpoint is to be used for the next try.
  bool stays(Balancer& balancer, const BalanceRequest& request, std::uint32_t index) const;

  const features::SessionAffinity* affinity_ = nullptr;
  const routing::EndpointPool* pool_ = nullptr;
  std::optional<std::uint64_t> hash_;    // of a balanced session
  std::optional<std::uint32_t> pinned_;  // endpoint of a persistent one
  bool from_client_ = false;             // one of the two comes from the client's cookie
  std::optional<std::uint64_t> new_key_;
};

}  // namespace cppx::proxy
