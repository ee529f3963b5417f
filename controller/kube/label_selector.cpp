#include "controller/kube/label_selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"

namespace cppx::controller {
namespace {

constexpr std::size_t kLongestName = 63;
constexpr std::size_t kLongestPrefix = 253;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && is_letter_or_digit(text.front()) &&
         is_letter_or_digit(text.back()) && std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
         });
}

bool is_prefix(std::string_view text) {
  return !text.empty() && text.size() <= kLongestPrefix && is_letter_or_digit(text.front()) &&
         is_letter_or_digit(text.back()) && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool is_key(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text);
  return is_prefix(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

bool is_value(std::string_view text) { return text.empty() || is_name(text); }

/// "(a, b)", with at least one value.
bool is_set(std::string_view text) {
  text = trim(text);
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return false;
  std::string_view rest = text.substr(1, text.size() - 2);
  for (;;) {
    const auto comma = rest.find(',');
    if (!is_value(trim(rest.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

/// What follows the key: an operator with its operand, or nothing.
bool is_condition(std::string_view text) {
  if (text.empty()) return true;
  for (const std::string_view sign : {"==", "!=", "="})
    if (text.starts_with(sign)) return is_value(trim(text.substr(sign.size())));
  for (const std::string_view sign : {">", "<"})
    if (text.starts_with(sign))
      return parse_int<std::int64_t>(trim(text.substr(sign.size()))).has_value();
  for (const std::string_view word : {"notin", "in"})
    if (text.starts_with(word)) return is_set(text.substr(word.size()));
  return false;
}

bool is_requirement(std::string_view text) {
  if (text.starts_with('!')) return is_key(trim(text.substr(1)));
  const auto end = std::min(text.find_first_of(" \t=!<>("), text.size());
  return is_key(text.substr(0, end)) && is_condition(trim(text.substr(end)));
}

/// Cut at the commas that are not within parentheses.
std::vector<std::string_view> requirements(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  bool within = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '(' || text[at] == ')') within = text[at] == '(';
    if (text[at] != ',' || within) continue;
    parts.push_back(trim(text.substr(start, at - start)));
    start = at + 1;
  }
  parts.push_back(trim(text.substr(start)));
  return parts;
}

}  // namespace

Result<void> check_label_selector(std::string_view text) {
  for (const std::string_view part : requirements(text))
    if (!is_requirement(part))
      return config_error(
          Errc::kInvalidArgument, fmt::format("\"{}\" is not a label selector", part)
      );
  return {};
}

}  // namespace cppx::controller
