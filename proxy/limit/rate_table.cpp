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
constexpr std::uint64_t kBucketTimeMask = (1ULL << kTimeBits) - 1;
constexpr std::size_t kBucketWays = 8;
// Other workers got ahead of us each time: the request is let through.
constexpr int kMostTries = 64;

std::uint64_t bucket_tag_of(std::uint64_t key) noexcept {
  return std::max<std::uint64_t>(key >> kTimeBits, 1) << kTimeBits;
}

std::size_t bucket_set_of(std::uint64_t key) noexcept {
  return (key % RateTable::kSets) * kBucketWays;
}

// No bucket is ever further ahead (limit_annotations.cpp has the bounds).
constexpr std::uint64_t kMostAheadUs = 17ULL * 3600 * 1'000'000;
// What other workers read the clock earlier at most, while a request gets here.
constexpr std::uint64_t kClockSlackUs = 1'000'000;

/// 0 for a bucket that is empty, or so far ahead that the clock must have turned over since.
std::uint64_t ahead_us(std::uint64_t word, std::uint64_t now_us) noexcept {
  const std::uint64_t ahead = (word - now_us) & kBucketTimeMask;
  return word == 0 || ahead > kMostAheadUs ? 0 : ahead;
}

struct BucketPlace {
  std::size_t index = 0;
  std::uint64_t word = 0;
  bool found = false;  // it is the key's; otherwise the one to replace
};

BucketPlace find_bucket(
    const ZeroedWords& words, std::uint64_t key, std::uint64_t now_us
) noexcept {
  const std::uint64_t tag = bucket_tag_of(key);
  BucketPlace best;
  std::uint64_t least = ~std::uint64_t{0};
  for (std::size_t i = bucket_set_of(key); i < bucket_set_of(key) + kBucketWays; ++i) {
    const std::uint64_t word = words.at(i).load(std::memory_order_relaxed);
    if ((word & ~kBucketTimeMask) == tag) return {.index = i, .word = word, .found = true};
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
    BucketPlace place = find_bucket(words_, key, now_us);
    std::uint64_t ahead = place.found ? ahead_us(place.word, now_us) : 0;
    // Left from a rate that was another, or from before the clock turned over.
    if (ahead > rate.most_ahead_us() + kClockSlackUs) ahead = 0;
    const auto step = features::step_bucket(rate, ahead);
    if (!step.allowed) return false;
    const std::uint64_t next = bucket_tag_of(key) | ((now_us + step.ahead_us) & kBucketTimeMask);
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
    BucketPlace place = find_bucket(words_, key, now_us);
    if (!place.found || ahead_us(place.word, now_us) < rate.interval_us) return;
    const std::uint64_t next =
        bucket_tag_of(key) | ((place.word - rate.interval_us) & kBucketTimeMask);
    if (words_.at(place.index)
            .compare_exchange_weak(
                place.word, next, std::memory_order_relaxed, std::memory_order_relaxed
            ))
      return;
  }
}

}  // namespace cppx::proxy
