#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cppx::routing {

/// Features a route may carry settings for. The order is that of the bits only; the order of
/// evaluation is features/all.cpp.
enum class Feature : std::uint8_t {
  kHttpsRedirect,
  kStrictTransportSecurity,
  kUpstreamTimeouts,
  kUpstreamRetries,
  kLoadBalancing,
  kSessionAffinity,
  kRateLimit,
  kUpstreamProxyProtocol,
  kAccessLog,
  kCount,
};

/// Name of the feature's folder, with dashes ("https-redirect").
std::string_view to_string(Feature feature) noexcept;

/// Settings of one feature on one route: an immutable value. Each feature's policy.h derives from
/// it and names itself by `static constexpr Feature kFeature`.
struct Policy {
  virtual ~Policy() = default;
  /// What it is set to, for people; may be empty.
  [[nodiscard]] virtual std::string describe() const { return {}; }
};

/// The policies of a route and a bit set of which are there, so that what is not set costs one test
/// for all of them together. Copies share the policies.
class PolicySet {
 public:
  [[nodiscard]] bool empty() const noexcept { return bits_ == 0; }

  [[nodiscard]] bool has(Feature feature) const noexcept { return (bits_ & bit_of(feature)) != 0; }

  /// Null when it is not set.
  [[nodiscard]] const Policy* find(Feature feature) const noexcept {
    const std::uint64_t bit = bit_of(feature);
    if ((bits_ & bit) == 0) return nullptr;
    // Policies are kept in the order of their bits: the index is the number of set bits below.
    return policies_[static_cast<std::size_t>(std::popcount(bits_ & (bit - 1)))].get();
  }

  template <class P>
  [[nodiscard]] const P* find() const noexcept {
    return static_cast<const P*>(find(P::kFeature));
  }

  /// Whether both have the very same policies.
  bool operator==(const PolicySet&) const = default;

  /// Adds or replaces the policy of P's feature.
  template <class P>
  void set(std::shared_ptr<const P> policy) {
    const std::uint64_t bit = bit_of(P::kFeature);
    const auto at = policies_.begin() + std::popcount(bits_ & (bit - 1));
    if ((bits_ & bit) != 0)
      *at = std::move(policy);
    else
      policies_.insert(at, std::move(policy));
    bits_ |= bit;
  }

 private:
  static constexpr std::uint64_t bit_of(Feature feature) noexcept {
    return 1ULL << static_cast<unsigned>(feature);
  }

  std::uint64_t bits_ = 0;
  std::vector<std::shared_ptr<const Policy>> policies_;
};

}  // namespace cppx::routing
