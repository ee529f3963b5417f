#pragma once

#include <array>
#include <cstdint>

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
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::uint32_t, 16> indices_;
  std::uint32_t size_ = 0;
};

}  // namespace cppx::proxy
