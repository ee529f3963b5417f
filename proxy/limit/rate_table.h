#pragma once

#include <cstddef>
#include <cstdint>

#include "features/rate_limit/leaky_bucket.h"
#include "proxy/limit/zeroed_words.h"

namespace cppx::proxy {

/// The buckets of all clients, for all workers: a table of fixed size without locks. A bucket is
/// one word of a set of eight, the set chosen by the key. When a set is full the bucket goes that
/// is empty first: clients that are over their rate are the last to be forgotten, so that no number
/// of addresses lets one of them off. From any thread.
class RateTable {
 public:
  static constexpr std::size_t kSets = 65536;

  /// One request of the client `key` (a keyed hash) at `now_us`, of any clock that only goes
  /// forward. True: within the rate, and counted.
  bool take(std::uint64_t key, std::uint64_t now_us, const features::BucketRate& rate) noexcept;
  /// Undoes a take(): the request was refused for another reason.
  void give_back(
      std::uint64_t key, std::uint64_t now_us, const features::BucketRate& rate
  ) noexcept;

 private:
  ZeroedWords words_{kSets * 8};
};

}  // namespace cppx::proxy
