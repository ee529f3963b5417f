#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
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

  // For a table that has an element for each slot, of one index or of several (HostMap).

  /// Of the name an exact one, or of the suffix of a wildcard (".example.com"), any case.
  static std::uint64_t hash(std::string_view name, bool wildcard) noexcept;
  /// Where the search begins. It mostly ends there or in the next slot, so that the element can be
  /// fetched while the search goes on. There must be slots.
  [[nodiscard]] std::size_t first_slot(std::uint64_t hash) const noexcept;
  /// Number of the slot of an exact name; kNone when it is not there.
  [[nodiscard]] std::uint32_t find_exact(std::string_view host, std::uint64_t hash) const noexcept {
    return find_name(host, hash, false);
  }
  /// The same for the suffix of a wildcard; with `deep`, of one for more labels than one.
  [[nodiscard]] std::uint32_t find_suffix(std::string_view suffix, std::uint64_t hash, bool deep)
      const noexcept;
  [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
  /// kNone if the slot is empty.
  [[nodiscard]] std::uint32_t value_at(std::size_t slot) const noexcept {
    return slots_[slot].value;
  }
  [[nodiscard]] bool has_wildcards() const noexcept { return has_wildcards_; }
  /// Bit n: a wildcard of more labels than one has a suffix of n labels (63: of 63 or more).
  [[nodiscard]] std::uint64_t deep_wildcards() const noexcept { return deep_wildcards_; }

  /// Calls `find` (suffix, deep) for the suffixes of a host that wildcards may be of, longest
  /// first, until it returns something else than `none`, and returns that.
  template <class Found, class Find>
  static Found find_wildcard(
      std::string_view host, std::uint64_t deep_wildcards, Found none, Find find
  ) noexcept;

  /// Calls `visit` (name, labels, value) for each name, lower case, wildcards as "*.example.com".
  template <class Visit>
  void for_each(Visit visit) const;

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
  [[nodiscard]] std::size_t next_slot(std::size_t slot) const noexcept;
  [[nodiscard]] std::uint32_t find_name(std::string_view name, std::uint64_t hash, bool wildcard)
      const noexcept;
  static std::uint64_t depth_bit(std::size_t labels) noexcept {
    return 1ULL << std::min<std::size_t>(labels, 63);
  }
  void insert(std::uint64_t hash, const Slot& slot) noexcept;
  void rehash(std::size_t slots);

  // Exact names, and ".example.com" of wildcards; lower case. Open addressing.
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  std::string long_names_;  // end to end
  std::size_t count_ = 0;
  bool has_wildcards_ = false;
  std::uint64_t deep_wildcards_ = 0;
};

template <class Found, class Find>
Found HostIndex::find_wildcard(
    std::string_view host, std::uint64_t deep_wildcards, Found none, Find find
) noexcept {
  std::size_t dot = host.find('.');
  if (dot == 0 || dot == std::string_view::npos) return none;
  if (const Found found = find(host.substr(dot), false); found != none) return found;
  if (deep_wildcards == 0) return none;

  auto labels = static_cast<std::size_t>(std::ranges::count(host, '.'));  // of the suffix at `dot`
  for (dot = host.find('.', dot + 1); dot != std::string_view::npos;
       dot = host.find('.', dot + 1)) {
    --labels;
    if ((deep_wildcards & depth_bit(labels)) == 0) continue;
    if (const Found found = find(host.substr(dot), true); found != none) return found;
  }
  return none;
}

template <class Visit>
void HostIndex::for_each(Visit visit) const {
  for (const Slot& slot : slots_) {
    if (slot.tag == 0) continue;
    std::string name(slot.kind == Kind::kExact ? "" : "*");
    name += name_of(slot);
    const bool deep = slot.kind == Kind::kOneOrMoreLabels;
    visit(std::move(name), deep ? WildcardLabels::kOneOrMore : WildcardLabels::kOne, slot.value);
  }
}

}  // namespace cppx::routing
