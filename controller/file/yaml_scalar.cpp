#include "controller/file/yaml_scalar.h"

#include <system_error>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace cppx::controller {
namespace {

using namespace std::string_view_literals;

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) noexcept {
  return std::ranges::find(words, text) != words.end();
}

template <class Number>
std::optional<Number> whole_number(std::string_view digits, int base) noexcept {
  Number value{};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
std::optional<nlohmann::json> resolve_int(std::string_view text) {
  const bool octal = text.starts_with("0o");
  if (octal || text.starts_with("0x")) {
    const std::string_view digits = text.substr(2);
    if (digits.empty() || digits.front() == '-') return std::nullopt;
    if (const auto value = whole_number<std::uint64_t>(digits, octal ? 8 : 16)) return *value;
    return std::nullopt;
  }
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
  }
  if (text.starts_with('-')) {
    if (const auto value = whole_number<std::int64_t>(text, 10)) return *value;
    return std::nullopt;
  }
  if (const auto value = whole_number<std::uint64_t>(text, 10)) return *value;
  return std::nullopt;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_float(std::string_view text) noexcept {
  const auto skip_digits = [&] {
    const auto end = std::ranges::find_if_not(text, is_digit);
    const auto count = static_cast<std::size_t>(end - text.begin());
    text.remove_prefix(count);
    return count;
  };
  const auto skip_sign = [&] {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  };
  skip_sign();
  std::size_t digits = skip_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    skip_sign();
    if (skip_digits() == 0) return false;
  }
  return text.empty();
}

std::optional<nlohmann::json> resolve_float(std::string_view text) {
  if (!is_float(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return nlohmann::json(std::string(text));
  return nlohmann::json(value);
}

nlohmann::json resolve_plain(const std::string& text) {
  constexpr std::array kNull{""sv, "~"sv, "null"sv, "Null"sv, "NULL"sv};
  constexpr std::array kTrue{"true"sv, "True"sv, "TRUE"sv};
  constexpr std::array kFalse{"false"sv, "False"sv, "FALSE"sv};
  if (is_one_of(text, kNull)) return nullptr;
  if (is_one_of(text, kTrue)) return true;
  if (is_one_of(text, kFalse)) return false;
  if (auto value = resolve_int(text)) return *std::move(value);
  if (auto value = resolve_float(text)) return *std::move(value);
  return text;  // .inf and .nan too: JSON has no such numbers
}

}  // namespace

nlohmann::json resolve_yaml_scalar(std::string_view tag, const std::string& text) {
  constexpr std::array kResolved{
      "?"sv, "tag:yaml.org,2002:int"sv, "tag:yaml.org,2002:float"sv, "tag:yaml.org,2002:bool"sv,
      "tag:yaml.org,2002:null"sv
  };
  if (is_one_of(tag, kResolved)) return resolve_plain(text);
  return text;
}

}  // namespace cppx::controller
