#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace cppx::routing {

/// How many labels the '*' of a wildcard name stands for: one for an Ingress host, one or more for a
/// Gateway API host or a server alias.
enum class WildcardLabels : std::uint8_t { kOne, kOneOrMore };

/// Host names to small numbers: exact names by hash, then wildcard suffixes, longest first. Serves
/// routes and certificates alike. Immutable after the last add; look-up allocates nothing and takes
/// hostile input of any length.
class HostIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  /// `name` is "example.com" or "*.example.com", any case, without port or trailing dot. False, and
  /// nothing is changed, when it is there already.
  bool add(std::string_view name, std::uint32_t value, WildcardLabels labels = WildcardLabels::kOne);

  /// `host` without port, any case, one trailing dot allowed. kNone when nothing matches.
  [[nodiscard]] std::uint32_t find(std::string_view host) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t value = kNone;  // kNone: empty
    WildcardLabels labels = WildcardLabels::kOne;
    std::string name;  // exact name, or ".example.com" of a wildcard; lower case
  };

  const Slot* find_slot(std::uint64_t hash, std::string_view lower) const noexcept;
  void grow();

  std::vector<Slot> slots_;  // open addressing, power of two
  std::size_t count_ = 0;
  bool has_wildcards_ = false;
};

}  // namespace cppx::routing
