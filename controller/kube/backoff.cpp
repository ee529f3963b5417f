#include "controller/kube/backoff.h"

#include <algorithm>

namespace cppx::controller {

Backoff::Backoff(Duration least, Duration most, std::uint32_t seed)
    : least_(least), most_(most), current_(least), random_(seed) {}

Backoff::Duration Backoff::next() {
  const Duration full = current_;
  current_ = std::min(most_, current_ * 2);
  std::uniform_int_distribution<Duration::rep> jitter(0, full.count() / 2);
  return full - Duration(jitter(random_));
}

void Backoff::reset() noexcept { current_ = least_; }

}  // namespace cppx::controller
