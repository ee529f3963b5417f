#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cppx::routing {

/// Up to eight bytes as a number; the missing ones are zero.
inline std::uint64_t load_word(const char* data, std::size_t size) noexcept {
  std::uint64_t word = 0;
  if (size >= 8) {
    std::memcpy(&word, data, 8);
  } else if (size >= 4) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, data, 4);
    std::memcpy(&last, data + size - 4, 4);
    word = first | (std::uint64_t{last} << ((size - 4) * 8));
  } else {
    for (std::size_t i = 0; i < size; ++i)
      word |= std::uint64_t{static_cast<unsigned char>(data[i])} << (i * 8);
  }
  return word;
}

/// ASCII capitals of eight bytes to small letters, other bytes as they are.
constexpr std::uint64_t lower_word(std::uint64_t word) noexcept {
  constexpr std::uint64_t kEach = 0x0101010101010101ULL;
  const std::uint64_t seven_bits = word & (0x7f * kEach);
  const std::uint64_t from_a = seven_bits + (0x80 - 'A') * kEach;
  const std::uint64_t beyond_z = seven_bits + (0x7f - 'Z') * kEach;
  const std::uint64_t capital = ~word & (from_a ^ beyond_z) & (0x80 * kEach);
  return word | (capital >> 2);
}

enum class LetterCase : std::uint8_t { kKept, kLowered };

/// Hash of a host name or path element, eight bytes at a time and without a copy; with kLowered,
/// that of the name in lower case. For keys of the configuration: it does not withstand chosen
/// ones.
template <LetterCase kCase>
std::uint64_t hash_name(std::string_view name, std::uint64_t seed = 0) noexcept {
  constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = (seed + name.size()) * kFactor;
  const char* data = name.data();
  for (std::size_t left = name.size(); left > 0;) {
    const std::size_t taken = left < 8 ? left : 8;
    std::uint64_t word = load_word(data, taken);
    if constexpr (kCase == LetterCase::kLowered) word = lower_word(word);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
    data += taken;
    left -= taken;
  }
  hash *= 0xbf58476d1ce4e5b9ULL;
  return hash ^ (hash >> 29);
}

/// Whether `name` in lower case is `lower`.
inline bool equals_lowered(std::string_view name, std::string_view lower) noexcept {
  if (name.size() != lower.size()) return false;
  for (std::size_t i = 0; i < name.size(); i += 8) {
    const std::size_t taken = name.size() - i < 8 ? name.size() - i : 8;
    if (lower_word(load_word(name.data() + i, taken)) != load_word(lower.data() + i, taken))
      return false;
  }
  return true;
}

}  // namespace cppx::routing
