#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace cppx::routing {

/// How many labels the '*' of a wildcard name stands for: one for an Ingress host, one or more for
/// a Gateway API host or a server alias.
enum class WildcardLabels : std::uint8_t { kOne, kOneOrMore };

/// Host names to small numbers: exact names by hash, then wildcard suffixes, longest first. Serves
/// routes and certificates alike. Immutable after the last add; look-up allocates nothing and takes
/// hostile input of any length.
class HostIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  /// Bytes of a domain name in text form (RFC 1035 2.3.4). Longer names are never found.
  static constexpr std::size_t kLongestName = 253;

  /// `name` is "example.com" or "*.example.com", any case, without port or trailing dot; `value`
  /// any number but kNone. False, and nothing is changed, when it is there already, empty or too
  /// long.
  bool add(
      std::string_view name, std::uint32_t value, WildcardLabels labels = WildcardLabels::kOne
  );

  /// `host` without port, any case, one trailing dot allowed. kNone when nothing matches.
  [[nodiscard]] std::uint32_t find(std::string_view host) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  enum class Kind : std::uint8_t { kExact, kOneLabel, kOneOrMoreLabels };

  /// 16 bytes, four to a cache line; the name is only read when the tag agrees.
  struct Slot {
    std::uint32_t tag = 0;        // upper half of the hash
    std::uint32_t value = kNone;  // kNone: empty
    std::uint32_t offset = 0;     // of the name in names_
    std::uint8_t length = 0;
    Kind kind = Kind::kExact;
  };

  [[nodiscard]] const Slot* find_slot(std::string_view name, bool wildcard) const noexcept;
  [[nodiscard]] std::string_view name_of(const Slot& slot) const noexcept;
  void insert(std::uint64_t hash, Slot slot) noexcept;
  void grow();

  std::vector<Slot> slots_;  // open addressing, power of two
  std::string names_;        // exact names, and ".example.com" of wildcards; lower case, end to end
  std::size_t count_ = 0;
  bool has_wildcards_ = false;
  /// Bit n: a wildcard of more labels than one has a suffix of n labels (63: of 63 or more).
  std::uint64_t deep_wildcards_ = 0;
};

}  // namespace cppx::routing
