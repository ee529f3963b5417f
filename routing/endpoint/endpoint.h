#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cppx::routing {

class EndpointHashes;

/// Address and port of one backend. IPv4 addresses are held IPv4-mapped (RFC 4291 2.5.5.2), so that
/// equality is that of the bytes.
struct EndpointAddress {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  /// From a literal ("10.0.0.1", "fd00::1", no brackets, no zone); nothing if it is not one.
  static std::optional<EndpointAddress> parse(std::string_view ip_literal, std::uint16_t port);

  [[nodiscard]] bool is_v4() const noexcept;
  /// "10.0.0.1:80" or "[fd00::1]:80".
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const EndpointAddress&) const = default;
};

struct EndpointAddressHash {
  std::size_t operator()(const EndpointAddress& address) const noexcept;
};

/// Why a pool has no endpoint: what `explain` and the diagnostics say. All of them are 503.
enum class PoolStatus : std::uint8_t {
  kReady,        ///< It has endpoints.
  kNoService,    ///< The Service does not exist.
  kNoPort,       ///< The Service has no such port.
  kNoEndpoints,  ///< No endpoint is ready (nor serving while terminating).
  kNotResolved,  ///< The name of an ExternalName Service has not been resolved (yet).
  kRefused,      ///< The name of an ExternalName Service may not be used (loopback, switched off).
};

/// "ready", "no-service" and so on.
std::string_view to_string(PoolStatus status) noexcept;

/// When an endpoint was added to a pool that had others.
using JoinTime = std::chrono::steady_clock::time_point;
inline constexpr JoinTime kFromTheStart = JoinTime::min();

/// The endpoints behind one Service port: what a route balances over. Immutable; a change of
/// endpoints makes a new pool with the same identity.
struct EndpointPool {
  std::string name;            ///< "namespace/service:port", the same in every snapshot.
  std::uint64_t identity = 0;  ///< hash64(name): key of the workers' own state (balancer position).
  PoolStatus status = PoolStatus::kNoEndpoints;
  std::vector<EndpointAddress> endpoints;  ///< Sorted, no duplicates.
  /// Of each endpoint; empty: all are kFromTheStart.
  std::vector<JoinTime> joined{};
  /// Null unless a route of the pool sends requests by a hash or a cookie.
  std::shared_ptr<const EndpointHashes> hashes{};

  [[nodiscard]] JoinTime join_time(std::size_t index) const noexcept {
    return joined.empty() ? kFromTheStart : joined[index];
  }
};

}  // namespace cppx::routing
