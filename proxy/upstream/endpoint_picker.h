#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/upstream/balance_request.h"
#include "proxy/upstream/fast_random.h"
#include "proxy/upstream/local_endpoint.h"
#include "proxy/upstream/pool_balance.h"
#include "routing/balance/balance_policy.h"
#include "routing/balance/maglev_table.h"

namespace cppx::proxy {

bool at_limit(const LocalEndpoint& endpoint, const routing::EndpointLimits& limits) noexcept;

/// One choice among the endpoints of one pool. Lives for the choice only.
class EndpointPicker {
 public:
  using Clock = std::chrono::steady_clock::time_point (*)();

  /// `troubled` is the answer of balance.troubled().
  EndpointPicker(
      const BalanceRequest& request, PoolBalance& balance, FastRandom& random, Clock clock,
      bool troubled
  ) noexcept;

  /// Index of the endpoint; nothing when all are at their limits.
  std::optional<std::uint32_t> pick();

 private:
  using Index = std::optional<std::uint32_t>;

  /// What is given up, one after the other, when nothing else is left.
  enum class Pass : std::uint8_t { kFitAndUntried, kUntried, kAny };

  [[nodiscard]] bool hashed() const noexcept { return maglev_ != nullptr; }
  Index probe();
  Index by_algorithm();
  Index round_robin();
  Index of_two();
  Index by_hash();
  Index by_subset(std::size_t slot);
  bool usable(std::uint32_t index);
  bool fit(std::uint32_t index);
  [[nodiscard]] bool better(std::uint32_t a, std::uint32_t b);
  double cost(LocalEndpoint& endpoint, LocalEndpoint::Time now);

  const BalanceRequest& request_;
  PoolBalance& balance_;
  FastRandom& random_;
  Clock clock_;
  bool troubled_;
  std::uint64_t hash_;
  const routing::MaglevTable* maglev_ = nullptr;  // null: the hash does not decide
  Pass pass_ = Pass::kFitAndUntried;
};

}  // namespace cppx::proxy
