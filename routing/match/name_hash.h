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

/// Both halves of the product of two words, folded into one.
inline std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// What hash_name() multiplies with: odd, and other numbers in each process. Whoever may choose
/// names (each author of an Ingress) would choose a thousand of one hash otherwise: a word that is
/// what the hash is so far makes the product zero, and the words after it count for nothing.
struct NameHashSecrets {
  std::uint64_t first;
  std::uint64_t second;
};
extern const NameHashSecrets name_hash_secrets;

/// Hash of a host name or path element, sixteen bytes at a time and without a copy; with kLowered,
/// that of the name in lower case. The last bytes are read as whole words that overlap what came
/// before: no branch depends on how many they are. It is told to nobody, and holds for this
/// process.
template <LetterCase kCase>
std::uint64_t hash_name(std::string_view name, std::uint64_t seed = 0) noexcept {
  const auto [first, second] = name_hash_secrets;
  const auto word = [](const char* data, std::size_t size) {
    const std::uint64_t loaded = load_word(data, size);
    return kCase == LetterCase::kLowered ? lower_word(loaded) : loaded;
  };
  std::uint64_t hash = fold_product(seed ^ second, name.size() + first);
  const char* const data = name.data();
  const char* const end = data + name.size();
  if (name.size() > 16) {
    for (const char* at = data; end - at > 16; at += 16)
      hash = fold_product(word(at, 8) ^ hash, word(at + 8, 8) ^ first);
    hash = fold_product(word(end - 16, 8) ^ hash, word(end - 8, 8) ^ first);
  } else if (name.size() >= 8) {
    hash = fold_product(word(data, 8) ^ hash, word(end - 8, 8) ^ first);
  } else {
    hash = fold_product(word(data, name.size()) ^ hash, first);
  }
  return fold_product(hash ^ first, second);
}

/// Whether `name` in lower case is `lower`.
inline bool equals_lowered(std::string_view name, std::string_view lower) noexcept {
  if (name.size() != lower.size()) return false;
  const auto equal = [&](std::size_t at, std::size_t size) {
    return lower_word(load_word(name.data() + at, size)) == load_word(lower.data() + at, size);
  };
  if (name.size() < 8) return equal(0, name.size());
  for (std::size_t i = 0; i + 8 < name.size(); i += 8)
    if (!equal(i, 8)) return false;
  return equal(name.size() - 8, 8);
}

}  // namespace cppx::routing
