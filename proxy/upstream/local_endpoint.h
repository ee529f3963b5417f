#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "proxy/upstream/endpoint_health.h"

namespace cppx::proxy {

/// What one worker knows of one endpoint: its own requests there, how fast they are answered, and
/// the record that all share.
struct LocalEndpoint {
  using Time = std::chrono::steady_clock::time_point;

  std::shared_ptr<EndpointHealth> health;
  std::uint32_t pools = 0;       ///< Of this worker's pools, how many have it.
  std::uint32_t active = 0;      ///< Requests in progress.
  std::uint32_t connecting = 0;  ///< Of those, waiting for a connection to be made.
  /// Peak exponentially weighted moving average of the time to a response, in seconds; negative:
  /// none yet. It fades, so that an endpoint that was slow is tried again.
  double response_seconds = -1;
  Time response_time{};

  [[nodiscard]] double faded_response_seconds(Time now) const noexcept {
    return response_seconds * fading(now);
  }
  void observe(double seconds, Time now) noexcept {
    // A slow response counts at once, faster ones little by little.
    if (const double old = faded_response_seconds(now); seconds > old)
      response_seconds = seconds;
    else
      response_seconds = old + seconds * (1 - fading(now));
    response_time = now;
  }

 private:
  [[nodiscard]] double fading(Time now) const noexcept {
    constexpr double kDecaySeconds = 10;
    const double elapsed = std::chrono::duration<double>(now - response_time).count();
    return elapsed > 0 ? std::exp(-elapsed / kDecaySeconds) : 1.0;
  }
};

/// Counts one request at an endpoint as long as it lives.
class EndpointUse {
 public:
  EndpointUse() = default;
  explicit EndpointUse(LocalEndpoint& endpoint) noexcept : endpoint_(&endpoint) {
    ++endpoint.active;
  }
  EndpointUse(EndpointUse&& other) noexcept
      : endpoint_(std::exchange(other.endpoint_, nullptr)),
        connecting_(std::exchange(other.connecting_, false)) {}
  EndpointUse& operator=(EndpointUse&& other) noexcept {
    std::swap(endpoint_, other.endpoint_);
    std::swap(connecting_, other.connecting_);
    return *this;
  }
  ~EndpointUse() {
    if (endpoint_ == nullptr) return;
    connected();
    --endpoint_->active;
  }

  [[nodiscard]] LocalEndpoint& operator*() const noexcept { return *endpoint_; }
  [[nodiscard]] LocalEndpoint* operator->() const noexcept { return endpoint_; }
  explicit operator bool() const noexcept { return endpoint_ != nullptr; }

  void connecting() noexcept {
    if (!std::exchange(connecting_, true)) ++endpoint_->connecting;
  }
  void connected() noexcept {
    if (std::exchange(connecting_, false)) --endpoint_->connecting;
  }

 private:
  LocalEndpoint* endpoint_ = nullptr;
  bool connecting_ = false;
};

}  // namespace cppx::proxy
