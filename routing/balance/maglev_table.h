#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "routing/endpoint/endpoint.h"

namespace cppx::routing {

/// Consistent hashing (Maglev, Eisenbud et al. 2016, 3.4): a table of prime size in which every
/// endpoint has an equal share of the slots, whatever the order they were given in; when one comes
/// or goes, few slots of the others change. At least a hundred slots an endpoint where memory
/// allows: 2 bytes each: 2 KiB for up to 10 endpoints, 16 KiB for up to 81, else 128 KiB.
class MaglevTable {
 public:
  /// Endpoints beyond 65521 get no slot.
  explicit MaglevTable(std::span<const EndpointAddress> endpoints);

  [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
  [[nodiscard]] std::size_t slot_of(std::uint64_t hash) const noexcept {
    return slots_.empty() ? 0 : hash % slots_.size();
  }
  /// Index of the slot's endpoint; the slots wrap around.
  [[nodiscard]] std::uint32_t endpoint_at(std::size_t slot) const noexcept {
    return slots_[slot < slots_.size() ? slot : slot % slots_.size()];
  }

 private:
  std::vector<std::uint16_t> slots_;
};

}  // namespace cppx::routing
