#include "controller/translate/text_values.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace cppx::controller {

std::optional<bool> parse_go_bool(std::string_view text) noexcept {
  using namespace std::string_view_literals;
  constexpr std::array kTrue{"1"sv, "t"sv, "T"sv, "TRUE"sv, "true"sv, "True"sv};
  constexpr std::array kFalse{"0"sv, "f"sv, "F"sv, "FALSE"sv, "false"sv, "False"sv};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept {
  struct Unit {
    std::string_view suffix;
    std::uint64_t milliseconds;
  };
  constexpr std::array kUnits{
      Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}
  };
  constexpr std::uint64_t kYear = 366ULL * 24 * 3'600'000;
  std::uint64_t unit = 1000;
  for (const Unit& candidate : kUnits) {
    if (!text.ends_with(candidate.suffix)) continue;
    unit = candidate.milliseconds;
    text.remove_suffix(candidate.suffix.size());
    break;
  }
  const auto number = parse_int<std::uint64_t>(text);
  if (!number || *number > kYear / unit) return std::nullopt;
  return std::chrono::milliseconds(*number * unit);
}

std::optional<std::uint64_t> parse_size_bytes(std::string_view text) noexcept {
  unsigned shift = 0;
  if (!text.empty()) {
    switch (to_lower(text.back())) {
      case 'k':
        shift = 10;
        break;
      case 'm':
        shift = 20;
        break;
      case 'g':
        shift = 30;
        break;
      default:
        break;
    }
  }
  if (shift != 0) text.remove_suffix(1);
  const auto number = parse_int<std::uint64_t>(text);
  if (!number || *number > (std::numeric_limits<std::uint64_t>::max() >> shift))
    return std::nullopt;
  return *number << shift;
}

}  // namespace cppx::controller
