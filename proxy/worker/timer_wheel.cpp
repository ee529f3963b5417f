#include "proxy/worker/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/coarse_clock.h"

namespace cppx::proxy {

void Deadline::arm(std::chrono::milliseconds after) noexcept {
  if (after.count() <= 0) {
    disarm();
    return;
  }
  // Two ticks more: the current one has partly passed, the clock may be one behind, and a deadline
  // is never early.
  due_tick_ = wheel_.tick_of(coarse_steady_now()) +
              static_cast<std::uint64_t>(
                  (after + TimerWheel::kTick - std::chrono::milliseconds(1)) / TimerWheel::kTick
              ) +
              2;
  // Linked at an earlier tick already: it is looked at then and moved on.
  if (linked_tick_ <= due_tick_) return;
  if (linked_tick_ != kNever) wheel_.unlink(*this);
  wheel_.link(*this, due_tick_);
}

void Deadline::hasten(std::chrono::milliseconds after) noexcept {
  const std::uint64_t before = due_tick_;
  arm(after);
  due_tick_ = std::min(due_tick_, before);
}

Deadline::~Deadline() {
  if (linked_tick_ != kNever) wheel_.unlink(*this);
}

TimerWheel::TimerWheel(EventLoop& loop) noexcept : loop_(loop), start_(coarse_steady_now()) {}

std::uint64_t TimerWheel::tick_of(std::chrono::steady_clock::time_point time) const noexcept {
  return static_cast<std::uint64_t>((time - start_) / kTick);
}

void TimerWheel::link(Deadline& deadline, std::uint64_t tick) noexcept {
  const std::size_t slot = tick % kSlots;
  deadline.linked_tick_ = tick;
  deadline.next_ = slots_[slot];
  deadline.previous_link_ = &slots_[slot];
  if (deadline.next_ != nullptr) deadline.next_->previous_link_ = &deadline.next_;
  slots_[slot] = &deadline;
  occupied_[slot / 64] |= 1ULL << (slot % 64);
  ++linked_;
  if (tick < scheduled_tick_) schedule(tick);
}

void TimerWheel::unlink(Deadline& deadline) noexcept {
  *deadline.previous_link_ = deadline.next_;
  if (deadline.next_ != nullptr) deadline.next_->previous_link_ = deadline.previous_link_;
  const std::size_t slot = deadline.linked_tick_ % kSlots;
  if (slots_[slot] == nullptr) occupied_[slot / 64] &= ~(1ULL << (slot % 64));
  deadline.linked_tick_ = Deadline::kNever;
  --linked_;
}

void TimerWheel::schedule(std::uint64_t tick) {
  scheduled_tick_ = tick;
  loop_.set_timer(*this, start_ + kTick * static_cast<std::int64_t>(tick));
}

void TimerWheel::on_time() {
  scheduled_tick_ = Deadline::kNever;
  const std::uint64_t now = tick_of(std::chrono::steady_clock::now());
  // After a long pause every slot is looked at once, not once a missed round.
  const std::uint64_t first = std::max(visited_tick_ + 1, now >= kSlots ? now - kSlots + 1 : 0);
  for (std::uint64_t tick = first; tick <= now; ++tick) {
    if ((occupied_[tick % kSlots / 64] >> (tick % 64) & 1) != 0) visit_slot(tick);
  }
  visited_tick_ = now;
  if (linked_ == 0) return;
  const std::uint64_t next = next_occupied(now + 1);
  if (next < scheduled_tick_) schedule(next);
}

void TimerWheel::visit_slot(std::uint64_t tick) {
  // expired() may arm, disarm and destroy deadlines of this slot: take the chain off first, and
  // take one at a time from its head.
  const std::size_t slot = tick % kSlots;
  Deadline* chain = slots_[slot];
  slots_[slot] = nullptr;
  occupied_[slot / 64] &= ~(1ULL << (slot % 64));
  if (chain != nullptr) chain->previous_link_ = &chain;
  while (chain != nullptr) {
    Deadline& deadline = *chain;
    chain = deadline.next_;
    if (chain != nullptr) chain->previous_link_ = &chain;
    deadline.linked_tick_ = Deadline::kNever;
    --linked_;
    if (deadline.due_tick_ == Deadline::kNever) continue;
    if (deadline.due_tick_ > tick) {
      // Not due: a later round of the wheel, or armed again since. Never back into this very slot
      // at a tick that has been visited.
      link(deadline, deadline.due_tick_);
      continue;
    }
    deadline.due_tick_ = Deadline::kNever;
    deadline.expired();
  }
}

std::uint64_t TimerWheel::next_occupied(std::uint64_t from) const noexcept {
  for (std::uint64_t tick = from; tick < from + kSlots;) {
    const std::size_t slot = tick % kSlots;
    const std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word != 0) return tick + static_cast<std::uint64_t>(std::countr_zero(word));
    tick += 64 - slot % 64;
  }
  return from + kSlots;
}

}  // namespace cppx::proxy
