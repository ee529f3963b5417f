#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>

#include "controller/model/objects.h"

namespace cppx::controller {

/// So many at once, and one more each `refill`.
struct Rate {
  double burst;
  std::chrono::milliseconds refill;
};

/// A bucket of tokens that starts full.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TokenBucket(Rate rate, Time now) : rate_(rate), tokens_(rate.burst), at_(now) {}

  /// Takes a token; false when there is none.
  bool take(Time now);
  /// When the next token will be there; `now` when one is.
  [[nodiscard]] Time next(Time now) const;
  /// As good as new: needs not be remembered.
  [[nodiscard]] bool full(Time now) const;

 private:
  [[nodiscard]] double tokens(Time now) const;

  Rate rate_;
  double tokens_;
  Time at_;
};

/// The spam filter of Events: a bucket for each object, with client-go's numbers. Remembers a
/// limited number of objects.
class EventLimits {
 public:
  using Time = TokenBucket::Time;
  static constexpr Rate kOfOneObject{25, std::chrono::minutes(5)};
  static constexpr std::size_t kMostObjects = 4096;

  /// Whether an Event of this object may be sent now; takes its token.
  bool allow(Kind kind, const ObjectKey& object, Time now);

 private:
  void make_room(Time now);

  std::map<std::pair<Kind, ObjectKey>, TokenBucket> buckets_;
};

}  // namespace cppx::controller
