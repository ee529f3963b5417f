#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/observe/access_facts.h"

namespace cppx::proxy {

/// What is noted of a request for the access log while it goes on. Does nothing, and reads no
/// clock, when there is no log. Keeps its memory for the next request.
class AccessRecord {
 public:
  using Clock = std::chrono::steady_clock;

  /// With the first byte of the request.
  void begin(bool enabled) {
    enabled_ = enabled;
    tries_.clear();
    request_line_ = {};
    if (enabled) started_ = Clock::now();
  }
  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  /// This request is not to be logged.
  void skip() noexcept { enabled_ = false; }
  [[nodiscard]] Clock::time_point started() const noexcept { return started_; }

  /// As sent; the view lives as long as the request's head.
  void set_request_line(std::string_view line) noexcept { request_line_ = line; }
  [[nodiscard]] std::string_view request_line() const noexcept { return request_line_; }

  // Each try: begins, connected, answered, received..., ends.
  void try_begins(const routing::EndpointAddress& address) {
    if (!enabled_) return;
    tries_.push_back({.address = address, .response = UpstreamTry::kNever});
    try_started_ = Clock::now();
  }
  /// `reused`: the connection was there already.
  void try_connected(bool reused) noexcept {
    if (enabled_) last().connect = reused ? std::chrono::milliseconds(0) : since_try_began();
  }
  void try_answered(std::uint16_t status) noexcept {
    if (!enabled_) return;
    last().status = status;
    last().header = since_try_began();
  }
  void try_received(std::size_t body_bytes) noexcept {
    if (enabled_) last().response_bytes += body_bytes;
  }
  /// Only the first call counts. `status`: of a try without an answer; 0: none.
  void try_ends(std::uint16_t status = 0) noexcept {
    if (!enabled_ || last().response != UpstreamTry::kNever) return;
    last().response = since_try_began();
    if (status != 0) last().status = status;
  }
  [[nodiscard]] std::span<const UpstreamTry> tries() const noexcept { return tries_; }

 private:
  [[nodiscard]] UpstreamTry& last() noexcept { return tries_.back(); }
  [[nodiscard]] std::chrono::milliseconds since_try_began() const noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - try_started_);
  }

  bool enabled_ = false;
  Clock::time_point started_;
  Clock::time_point try_started_;
  std::string_view request_line_;
  std::vector<UpstreamTry> tries_;
};

}  // namespace cppx::proxy
