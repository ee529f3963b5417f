#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/huge_pages.h"

namespace cppx::routing {

/// How many labels the '*' of a wildcard name stands for: one for an Ingress host, one or more for
/// a Gateway API host or a server alias.
enum class WildcardLabels : std::uint8_t { kOne, kOneOrMore };

/// Host names to small numbers: exact names by hash, then wildcard suffixes, longest first. Serves
/// routes and certificates alike. Immutable after the last add; look-up allocates nothing and takes
/// hostile input of any length.
///
/// With very many names a look-up costs what it waits for memory. So a slot is one cache line with
/// the name in it, its place depends on nothing but the hash, and the look-up of an exact name ends
/// there.
class HostIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  /// Bytes of a domain name in text form (RFC 1035 2.3.4). Longer names are never found.
  static constexpr std::size_t kLongestName = 253;
  /// Room for so many names, so that adding them moves none.
  void reserve(std::size_t names);

  /// `name` is "example.com" or "*.example.com", any case, without port or trailing dot; `value`
  /// any number but kNone. False, and nothing is changed, when it is there already, empty or too
  /// long.
  bool add(
      std::string_view name, std::uint32_t value, WildcardLabels labels = WildcardLabels::kOne
  );

  /// `host` without port, any case, one trailing dot allowed. kNone when nothing matches.
  [[nodiscard]] std::uint32_t find(std::string_view host) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// For a table that has an element for each slot: `begin` says where the search begins. It mostly
  /// ends there or in the next slot, so that the element can be fetched while `find_slot` looks.
  struct Search {
    std::string_view host;  ///< Without trailing dot; empty: cannot be found.
    std::uint64_t hash = 0;
    std::size_t first_slot = 0;
  };
  [[nodiscard]] Search begin(std::string_view host) const noexcept;
  /// Number of the slot of what `find` finds; kNone when nothing matches.
  [[nodiscard]] std::uint32_t find_slot(const Search& search) const noexcept;
  [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
  /// kNone if the slot is empty.
  [[nodiscard]] std::uint32_t value_at(std::size_t slot) const noexcept {
    return slots_[slot].value;
  }

 private:
  enum class Kind : std::uint8_t { kExact, kOneLabel, kOneOrMoreLabels };

  /// A cache line. Longer names than most lie in long_names_.
  struct alignas(64) Slot {
    static constexpr std::size_t kLongestInside = 50;

    std::uint32_t tag = 0;        // half of the hash; 0: empty
    std::uint32_t value = kNone;  // kNone: empty
    std::uint32_t offset = 0;     // of a long name
    std::uint8_t length = 0;
    Kind kind = Kind::kExact;
    std::array<char, kLongestInside> name{};
  };
  static_assert(sizeof(Slot) == 64);

  [[nodiscard]] std::string_view name_of(const Slot& slot) const noexcept;
  [[nodiscard]] std::size_t first_slot(std::uint64_t hash) const noexcept;
  [[nodiscard]] std::size_t next_slot(std::size_t slot) const noexcept;
  [[nodiscard]] std::uint32_t find_name(std::string_view name, std::uint64_t hash, bool wildcard)
      const noexcept;
  [[nodiscard]] std::uint32_t find_wildcard(std::string_view host) const noexcept;
  void insert(std::uint64_t hash, const Slot& slot) noexcept;
  void rehash(std::size_t slots);

  // Exact names, and ".example.com" of wildcards; lower case. Open addressing.
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  std::string long_names_;  // end to end
  std::size_t count_ = 0;
  bool has_wildcards_ = false;
  /// Bit n: a wildcard of more labels than one has a suffix of n labels (63: of 63 or more).
  std::uint64_t deep_wildcards_ = 0;
};

}  // namespace cppx::routing
