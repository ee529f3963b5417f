#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "routing/client/ip_address.h"

namespace cppx::routing {

/// "10.0.0.0/8", "2001:db8::/32", or one address. A range of IPv6 never holds an IPv4 client:
/// "::/0" is all of IPv6, as "0.0.0.0/0" is all of IPv4.
class IpRange {
 public:
  /// Nothing if it is neither a range nor an address. Bits behind the prefix are ignored.
  static std::optional<IpRange> parse(std::string_view text) noexcept;

  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;

  bool operator==(const IpRange&) const = default;
  auto operator<=>(const IpRange&) const = default;

 private:
  IpAddress network_;             // bits behind the prefix are 0
  std::uint8_t prefix_bits_ = 0;  // of the 128
};

/// A few ranges: looked through one after the other.
class IpRanges {
 public:
  IpRanges() = default;

  /// Comma separated; nothing if an item is not a range. An empty list holds nobody.
  static std::optional<IpRanges> parse(std::string_view list);
  /// 0.0.0.0/0
  static IpRanges all_v4();

  void add(const IpRange& range) { ranges_.push_back(range); }

  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return ranges_.size(); }

  bool operator==(const IpRanges&) const = default;
  auto operator<=>(const IpRanges&) const = default;

 private:
  std::vector<IpRange> ranges_;
};

}  // namespace cppx::routing
