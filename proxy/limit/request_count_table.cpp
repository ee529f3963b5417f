#include "proxy/limit/request_count_table.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/limit/zeroed_words.h"

namespace cppx::proxy {
namespace {

// A word is the key's tag above the count; zero when the count is.
constexpr unsigned kCountBits = 24;
constexpr std::uint64_t kCountMask = (1ULL << kCountBits) - 1;
constexpr std::size_t kCountWays = 8;

std::uint64_t count_tag_of(std::uint64_t key) noexcept {
  return std::max<std::uint64_t>(key >> kCountBits, 1) << kCountBits;
}

std::size_t count_set_of(std::uint64_t key) noexcept {
  return (key % RequestCountTable::kSets) * kCountWays;
}

struct CountPlace {
  std::size_t index = 0;
  std::uint64_t word = 0;
};

/// The word of the key, else an empty one, else nothing.
std::optional<CountPlace> find_count(const ZeroedWords& words, std::uint64_t key) noexcept {
  std::optional<CountPlace> empty;
  for (std::size_t i = count_set_of(key); i < count_set_of(key) + kCountWays; ++i) {
    const std::uint64_t word = words.at(i).load(std::memory_order_relaxed);
    if (word == 0 && !empty) empty = CountPlace{.index = i, .word = 0};
    if ((word & ~kCountMask) == count_tag_of(key)) return CountPlace{.index = i, .word = word};
  }
  return empty;
}

}  // namespace

CountedRequest::~CountedRequest() {
  if (table_ != nullptr) table_->remove(index_);
}

CountedRequest RequestCountTable::add(std::uint64_t key, std::uint32_t limit) noexcept {
  if (!words_.ok()) return {};
  const std::uint64_t most = std::min<std::uint64_t>(limit, kCountMask - 1);
  for (;;) {
    auto place = find_count(words_, key);
    if (!place) return {};
    const std::uint64_t count = place->word & kCountMask;
    if (count >= most) return {};
    if (words_.at(place->index)
            .compare_exchange_weak(
                place->word, count_tag_of(key) | (count + 1), std::memory_order_relaxed,
                std::memory_order_relaxed
            ))
      return {*this, place->index};
  }
}

void RequestCountTable::remove(std::size_t index) noexcept {
  auto word = words_.at(index);
  std::uint64_t now = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(
      now, (now & kCountMask) == 1 ? 0 : now - 1, std::memory_order_relaxed,
      std::memory_order_relaxed
  )) {
  }
}

}  // namespace cppx::proxy
