#include "app/memory_guard.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/memory.h"

namespace cppx::app {
namespace {

using proxy::MemoryLevel;

// Of a cgroup's limit: the rest is for what the kernel keeps for the sockets.
constexpr std::uint64_t kPercentOfCgroup = 80;
// Between two looks; while memory is short each of them gives some back.
constexpr std::chrono::milliseconds kFar{250};
constexpr std::chrono::milliseconds kNear{20};
// Between two times that kept memory goes back: a part of it is in use again each time.
constexpr std::chrono::milliseconds kAgain{500};
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::uint64_t share_of_cgroup() {
  return cgroup_memory_limit().value_or(0) / 100 * kPercentOfCgroup;
}

}  // namespace

MemoryGuard::MemoryGuard(boost::asio::io_context& io, std::uint64_t limit_bytes, Tell tell)
    : io_(io),
      timer_(io),
      limit_bytes_(limit_bytes != 0 ? limit_bytes : share_of_cgroup()),
      tell_(std::move(tell)) {}

void MemoryGuard::start() {
  if (limit_bytes_ == 0) return;
  look();
  wait();
}

MemoryLevel MemoryGuard::level_now() {
  if (limit_bytes_ == 0) return MemoryLevel::kNormal;
  const MemoryLevel level =
      proxy::memory_level(resident_bytes(), limit_bytes_, MemoryLevel::kNormal);
  if (level == MemoryLevel::kNormal) return level;
  if (level >= MemoryLevel::kShort) seen_short_.store(true);
  look_soon();
  return level;
}

void MemoryGuard::look_soon() {
  if (looking_soon_.exchange(true)) return;
  boost::asio::post(io_, [this] {
    looking_soon_.store(false);
    look();
  });
}

void MemoryGuard::stop() noexcept { timer_.cancel(); }

void MemoryGuard::look() {
  const std::uint64_t used = resident_bytes();
  const MemoryLevel level = proxy::memory_level(used, limit_bytes_, level_);
  // Who has seen that it was short has to hear that it is not.
  const bool seen_short = seen_short_.exchange(false);
  const bool again =
      level == MemoryLevel::kHigh && std::chrono::steady_clock::now() >= given_back_at_ + kAgain;
  if (level >= MemoryLevel::kShort || level != level_ || seen_short || again) on_level(level, used);
}

std::chrono::steady_clock::duration MemoryGuard::short_for() const noexcept {
  if (level_ < MemoryLevel::kShort) return {};
  return std::chrono::steady_clock::now() - short_since_;
}

// Waits anew also where it waits already: then what it waited for before is cancelled.
void MemoryGuard::wait() {
  timer_.expires_after(level_ < MemoryLevel::kShort ? kFar : kNear);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    look();
    wait();
  });
}

void MemoryGuard::on_level(MemoryLevel level, std::uint64_t used) {
  const bool is_short = level >= MemoryLevel::kShort;
  const bool was_short = level_ >= MemoryLevel::kShort;
  if (is_short && !was_short) {
    short_since_ = std::chrono::steady_clock::now();
    log::warning(
        "memory is short: {} MiB of {} MiB (--memory-limit); nothing new is begun until there is "
        "more",
        used / kMiB, limit_bytes_ / kMiB
    );
  }
  if (was_short && !is_short) log::info("memory is not short any more");
  if (is_short != was_short) keep_free_memory(!is_short);
  level_ = level;
  given_back_at_ = std::chrono::steady_clock::now();
  tell_(level);
  // Whoever asked to look early, the next look is near.
  if (is_short && !was_short) wait();
}

}  // namespace cppx::app
