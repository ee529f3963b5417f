#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "routing/endpoint/endpoint.h"

namespace cppx::proxy {

/// The endpoints one request was sent to, by index, so that a retry goes elsewhere while there is
/// somewhere.
class TriedEndpoints {
 public:
  void add(std::uint32_t index) noexcept {
    if (size_ < indices_.size()) indices_[size_++] = index;
  }
  [[nodiscard]] bool contains(std::uint32_t index) const noexcept {
    for (std::uint32_t i = 0; i < size_; ++i)
      if (indices_[i] == index) return true;
    return false;
  }
  /// From now on by the indices of `now`: the same endpoints, as far as they are still there. Both
  /// are sorted.
  void move(
      std::span<const routing::EndpointAddress> before,
      std::span<const routing::EndpointAddress> now
  ) noexcept {
    const std::uint32_t count = std::exchange(size_, 0);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto found = std::ranges::lower_bound(now, before[indices_[i]]);
      if (found != now.end() && *found == before[indices_[i]])
        add(static_cast<std::uint32_t>(found - now.begin()));
    }
  }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::uint32_t, 16> indices_;
  std::uint32_t size_ = 0;
};

}  // namespace cppx::proxy
