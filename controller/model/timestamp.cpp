#include "controller/model/timestamp.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace cppx::controller {
namespace {

// Takes `count` digits and the separator after them (none when 0) off the front.
std::optional<int> take(std::string_view& text, std::size_t count, char separator) noexcept {
  if (text.size() < count + (separator != 0 ? 1 : 0)) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  if (separator == 0) return value;
  if ((text.front() | 0x20) != (separator | 0x20)) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

// "Z", "+02:00"; nothing may follow.
std::optional<std::chrono::minutes> take_offset(std::string_view text) noexcept {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '+' ? 1 : -1;
  text.remove_prefix(1);
  const auto hours = take(text, 2, ':');
  if (!hours) return std::nullopt;
  const auto minutes = take(text, 2, 0);
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return std::chrono::minutes(sign * (*hours * 60 + *minutes));
}

}  // namespace

std::optional<std::chrono::sys_seconds> parse_timestamp(std::string_view text) noexcept {
  const auto year = take(text, 4, '-');
  const auto month = year ? take(text, 2, '-') : std::nullopt;
  const auto day = month ? take(text, 2, 'T') : std::nullopt;
  const auto hour = day ? take(text, 2, ':') : std::nullopt;
  const auto minute = hour ? take(text, 2, ':') : std::nullopt;
  const auto second = minute ? take(text, 2, 0) : std::nullopt;
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
      std::chrono::day(static_cast<unsigned>(*day))
  };
  if (!date.ok()) return std::nullopt;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const auto end = std::ranges::find_if_not(text, is_digit);
    if (end == text.begin()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
  }
  const auto offset = take_offset(text);
  if (!offset) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) - *offset;
}

std::string format_timestamp(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
      clock.minutes().count(), clock.seconds().count()
  );
}

}  // namespace cppx::controller
