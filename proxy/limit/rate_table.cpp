#include "proxy/limit/rate_table.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "features/rate_limit/leaky_bucket.h"
#include "proxy/limit/zeroed_words.h"

namespace cppx::proxy {
namespace {

using features::BucketRate;

// A word is the key's tag above the time at which the bucket will be empty, in microseconds that
// turn over after 50 days. Zero is nobody's.
constexpr unsigned kTimeBits = 42;
constexpr std::uint64_t kTimeMask = (1ULL << kTimeBits) - 1;
constexpr std::size_t kWays = 8;
// Other workers got ahead of us each time: the request is let through.
constexpr int kMostTries = 64;

std::uint64_t tag_of(std::uint64_t key) noexcept {
  return std::max<std::uint64_t>(key >> kTimeBits, 1) << kTimeBits;
}

std::size_t set_of(std::uint64_t key) noexcept { return (key % RateTable::kSets) * kWays; }

/// 0 for a bucket that is empty, or so far ahead that the clock must have turned over since.
std::uint64_t ahead_us(std::uint64_t word, std::uint64_t now_us) noexcept {
  const std::uint64_t ahead = (word - now_us) & kTimeMask;
  return word == 0 || ahead > kTimeMask / 2 ? 0 : ahead;
}

struct Place {
  std::size_t index = 0;
  std::uint64_t word = 0;
  bool found = false;  // it is the key's; otherwise the one to replace
};

Place find(const ZeroedWords& words, std::uint64_t key, std::uint64_t now_us) noexcept {
  const std::uint64_t tag = tag_of(key);
  Place best;
  std::uint64_t least = ~std::uint64_t{0};
  for (std::size_t i = set_of(key); i < set_of(key) + kWays; ++i) {
    const std::uint64_t word = words.at(i).load(std::memory_order_relaxed);
    if ((word & ~kTimeMask) == tag) return {.index = i, .word = word, .found = true};
    const std::uint64_t ahead = ahead_us(word, now_us);
    if (ahead >= least) continue;
    least = ahead;
    best = {.index = i, .word = word, .found = false};
  }
  return best;
}

}  // namespace

bool RateTable::take(std::uint64_t key, std::uint64_t now_us, const BucketRate& rate) noexcept {
  if (!words_.ok()) return true;
  for (int i = 0; i < kMostTries; ++i) {
    Place place = find(words_, key, now_us);
    std::uint64_t ahead = place.found ? ahead_us(place.word, now_us) : 0;
    // Left from a rate that was another, or from before the clock turned over.
    if (ahead > rate.most_ahead_us()) ahead = 0;
    const auto step = features::step_bucket(rate, ahead);
    if (!step.allowed) return false;
    const std::uint64_t next = tag_of(key) | ((now_us + step.ahead_us) & kTimeMask);
    if (words_.at(place.index)
            .compare_exchange_weak(
                place.word, next, std::memory_order_relaxed, std::memory_order_relaxed
            ))
      return true;
  }
  return true;
}

void RateTable::give_back(
    std::uint64_t key, std::uint64_t now_us, const BucketRate& rate
) noexcept {
  if (!words_.ok()) return;
  for (int i = 0; i < kMostTries; ++i) {
    Place place = find(words_, key, now_us);
    if (!place.found || ahead_us(place.word, now_us) < rate.interval_us) return;
    const std::uint64_t next = tag_of(key) | ((place.word - rate.interval_us) & kTimeMask);
    if (words_.at(place.index)
            .compare_exchange_weak(
                place.word, next, std::memory_order_relaxed, std::memory_order_relaxed
            ))
      return;
  }
}

}  // namespace cppx::proxy
