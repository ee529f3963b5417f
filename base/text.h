#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cppx {

/// ASCII only, independent of the locale: what HTTP and DNS names need.
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Equal but for ASCII case.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  return true;
}

std::string to_lower(std::string_view text);

/// Without spaces and tabs (RFC 9110 OWS) and line ends at either side; a view into `text` even
/// when nothing is left.
std::string_view trim(std::string_view text) noexcept;

/// The text in one line that a terminal takes for nothing else: control characters are written as
/// \xNN. For what people read and somebody else may have written.
std::string printable(std::string_view text);

/// Items between `separator`, trimmed, empty ones left out.
std::vector<std::string_view> split_list(std::string_view text, char separator = ',');

/// The whole text as a decimal number; nothing if it is not one or does not fit.
template <class Integer>
std::optional<Integer> parse_int(std::string_view text) noexcept {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// 64-bit hash, stable within one process and between processes of one build (FNV-1a with a final
/// mix). Not for hostile keys in unbounded tables.
constexpr std::uint64_t hash64(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 29);
}

/// Lets maps keyed by std::string be searched with a string_view without making a string.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return hash64(text); }
};

}  // namespace cppx
