#include "routing/balance/maglev_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "routing/balance/sip_hash.h"
#include "routing/endpoint/endpoint.h"

namespace cppx::routing {
namespace {

// Few steps: when the size changes, all keys move.
constexpr std::array<std::uint32_t, 3> kSizes{1021, 8191, 65'521};
constexpr std::size_t kSlotsEach = 100;
constexpr std::uint16_t kFree = std::numeric_limits<std::uint16_t>::max();

std::uint32_t table_size(std::size_t endpoints) noexcept {
  for (const std::uint32_t size : kSizes)
    if (size >= endpoints * kSlotsEach) return size;
  return kSizes.back();
}

std::uint64_t hash_of(const EndpointAddress& address, std::uint64_t purpose) noexcept {
  SipHash hash({.low = purpose, .high = 0});
  for (const std::uint8_t byte : address.ip) hash.push(byte);
  hash.push(static_cast<std::uint8_t>(address.port >> 8));
  hash.push(static_cast<std::uint8_t>(address.port & 0xff));
  return hash.finish();
}

/// The order in which one endpoint asks for slots.
struct Preference {
  std::uint32_t next;
  std::uint32_t skip;
};

}  // namespace

MaglevTable::MaglevTable(std::span<const EndpointAddress> endpoints) {
  if (endpoints.empty()) return;
  const std::uint32_t size = table_size(endpoints.size());
  endpoints = endpoints.first(std::min<std::size_t>(endpoints.size(), size));
  std::vector<Preference> preferences;
  preferences.reserve(endpoints.size());
  for (const EndpointAddress& address : endpoints)
    preferences.push_back(
        {.next = static_cast<std::uint32_t>(hash_of(address, 1) % size),
         .skip = static_cast<std::uint32_t>(hash_of(address, 2) % (size - 1)) + 1}
    );
  slots_.assign(size, kFree);
  std::uint32_t filled = 0;
  for (;;) {
    for (std::size_t i = 0; i < preferences.size(); ++i) {
      auto& [next, skip] = preferences[i];
      while (slots_[next] != kFree) next = (next + skip) % size;
      slots_[next] = static_cast<std::uint16_t>(i);
      if (++filled == size) return;
    }
  }
}

}  // namespace cppx::routing
