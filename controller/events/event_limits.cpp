#include "controller/events/event_limits.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <ratio>
#include <utility>

#include "controller/model/objects.h"

namespace cppx::controller {

bool TokenBucket::take(Time now) {
  const double there = tokens(now);
  if (there < 1) return false;
  tokens_ = there - 1;
  at_ = now;
  return true;
}

TokenBucket::Time TokenBucket::next(Time now) const {
  const double there = tokens(now);
  if (there >= 1) return now;
  const std::chrono::duration<double, std::milli> missing(
      (1 - there) * static_cast<double>(rate_.refill.count())
  );
  return now + std::chrono::ceil<std::chrono::milliseconds>(missing);
}

bool TokenBucket::full(Time now) const { return tokens(now) >= rate_.burst; }

double TokenBucket::tokens(Time now) const {
  const std::chrono::duration<double, std::milli> passed(now - at_);
  const double filled = tokens_ + passed.count() / static_cast<double>(rate_.refill.count());
  return std::min(rate_.burst, filled);
}

bool EventLimits::allow(Kind kind, const ObjectKey& object, Time now) {
  const std::pair key(kind, object);
  auto bucket = buckets_.find(key);
  if (bucket == buckets_.end()) {
    if (buckets_.size() >= kMostObjects) make_room(now);
    bucket = buckets_.emplace(key, TokenBucket(kOfOneObject, now)).first;
  }
  return bucket->second.take(now);
}

// Those that are full again say nothing. When all do, any one has to go: it may then send more than
// it should, which is better than being silent about new objects.
void EventLimits::make_room(Time now) {
  for (auto bucket = buckets_.begin(); bucket != buckets_.end();)
    bucket = bucket->second.full(now) ? buckets_.erase(bucket) : std::next(bucket);
  if (buckets_.size() >= kMostObjects) buckets_.erase(buckets_.begin());
}

}  // namespace cppx::controller
