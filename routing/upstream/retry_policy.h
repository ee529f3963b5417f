#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>

namespace cppx::routing {

/// How a try with an endpoint may end so that the next one is asked: the words of
/// proxy-next-upstream.
enum class RetryOn : std::uint8_t {
  kError,          ///< Not connected, or the connection ended before a response.
  kTimeout,        ///< Connecting, sending or waiting took too long.
  kInvalidHeader,  ///< The response is not HTTP.
  kHttp403,
  kHttp404,
  kHttp429,
  kHttp500,
  kHttp502,
  kHttp503,
  kHttp504,
  kCount,
};

/// The word that stands for responses of `status`; nothing for those that are never a reason.
constexpr std::optional<RetryOn> retry_on_status(std::uint16_t status) noexcept {
  switch (status) {
    case 403:
      return RetryOn::kHttp403;
    case 404:
      return RetryOn::kHttp404;
    case 429:
      return RetryOn::kHttp429;
    case 500:
      return RetryOn::kHttp500;
    case 502:
      return RetryOn::kHttp502;
    case 503:
      return RetryOn::kHttp503;
    case 504:
      return RetryOn::kHttp504;
    default:
      return std::nullopt;
  }
}

class RetryConditions {
 public:
  constexpr RetryConditions() = default;

  [[nodiscard]] constexpr bool has(RetryOn reason) const noexcept {
    return (bits_ & bit(reason)) != 0;
  }
  constexpr RetryConditions& add(RetryOn reason) noexcept {
    bits_ = static_cast<std::uint16_t>(bits_ | bit(reason));
    return *this;
  }
  /// Requests that are not idempotent too: those a backend may have acted upon already.
  bool non_idempotent = false;

  auto operator<=>(const RetryConditions&) const = default;

 private:
  static constexpr unsigned bit(RetryOn reason) noexcept {
    return 1U << static_cast<unsigned>(reason);
  }
  std::uint16_t bits_ = 0;
};

/// When, how often and how long a request is sent again.
struct RetryPolicy {
  RetryConditions conditions = RetryConditions().add(RetryOn::kError).add(RetryOn::kTimeout);
  std::uint32_t tries = 3;             ///< In all; 0: one for each endpoint, as far as possible.
  std::chrono::milliseconds total{0};  ///< From the first try on; 0: no limit.

  auto operator<=>(const RetryPolicy&) const = default;
};

/// How much of its traffic a worker may spend on retries.
struct RetryBudgetSettings {
  std::uint32_t percent = 20;           ///< Of the requests of late.
  std::uint32_t least_per_second = 10;  ///< Always allowed.

  bool operator==(const RetryBudgetSettings&) const = default;
};

}  // namespace cppx::routing
