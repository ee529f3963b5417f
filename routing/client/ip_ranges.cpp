#include "routing/client/ip_ranges.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "routing/client/ip_address.h"

namespace cppx::routing {
namespace {

constexpr std::uint8_t kMappedBits = 96;  // in front of an IPv4 address

std::uint8_t high_bits(std::uint8_t byte, unsigned count) noexcept {
  return static_cast<std::uint8_t>(byte & (0xff00U >> count));
}

}  // namespace

std::optional<IpRange> IpRange::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  // "::ffff:10.0.0.0/104" is written in the 128 bits; "10.0.0.0/8" in its 32.
  const bool short_form = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned width = short_form ? 32 : 128;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_int<std::uint8_t>(text.substr(slash + 1));
    if (!number || *number > width) return std::nullopt;
    prefix = *number;
  }
  IpRange range;
  range.prefix_bits_ = static_cast<std::uint8_t>(short_form ? prefix + kMappedBits : prefix);
  const std::size_t whole = range.prefix_bits_ / 8U;
  std::copy_n(address->bytes.begin(), whole, range.network_.bytes.begin());
  if (whole < range.network_.bytes.size())
    range.network_.bytes[whole] = high_bits(address->bytes[whole], range.prefix_bits_ % 8U);
  return range;
}

bool IpRange::contains(const IpAddress& address) const noexcept {
  if (prefix_bits_ < kMappedBits && address.is_v4()) return false;
  const std::size_t whole = prefix_bits_ / 8U;
  if (!std::equal(
          network_.bytes.begin(), network_.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
          address.bytes.begin()
      ))
    return false;
  return whole == network_.bytes.size() ||
         high_bits(address.bytes[whole], prefix_bits_ % 8U) == network_.bytes[whole];
}

std::optional<IpRanges> IpRanges::parse(std::string_view list) {
  IpRanges out;
  for (const auto item : split_list(list)) {
    const auto range = IpRange::parse(item);
    if (!range) return std::nullopt;
    out.ranges_.push_back(*range);
  }
  return out;
}

IpRanges IpRanges::all_v4() {
  IpRanges out;
  if (const auto all = IpRange::parse("0.0.0.0/0")) out.ranges_.push_back(*all);
  return out;
}

bool IpRanges::contains(const IpAddress& address) const noexcept {
  return std::ranges::any_of(ranges_, [&](const IpRange& range) {
    return range.contains(address);
  });
}

}  // namespace cppx::routing
