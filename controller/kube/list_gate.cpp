#include "controller/kube/list_gate.h"

#include <algorithm>
#include <utility>

namespace cppx::controller {

/// A place in the queue, left also by a coroutine that is cancelled.
class ListGate::Place {
 public:
  Place(ListGate& gate, Timer& timer)
      : gate_(gate), entry_(gate.waiting_.insert(gate.waiting_.end(), &timer)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    gate_.waiting_.erase(entry_);
    gate_.wake_first();
  }

  [[nodiscard]] bool is_first() const noexcept { return entry_ == gate_.waiting_.begin(); }

 private:
  ListGate& gate_;
  std::list<Timer*>::iterator entry_;
};

ListGate::Pass::Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}

void ListGate::Pass::leave() noexcept {
  if (gate_ == nullptr) return;
  --gate_->inside_;
  std::exchange(gate_, nullptr)->wake_first();
}

ListGate::ListGate(Executor executor, std::size_t at_once)
    : executor_(std::move(executor)), at_once_(at_once) {}

Task<ListGate::Pass> ListGate::enter() {
  Timer timer(executor_);
  const Place place(*this, timer);
  for (;;) {
    const bool has_turn = place.is_first() && inside_ < at_once_;
    if (has_turn && Clock::now() >= held_until_) break;
    timer.expires_at(has_turn ? held_until_ : Clock::time_point::max());
    // Woken, timed out or cancelled: the next turn of the loop tells.
    const auto woken = co_await timer.async_wait(kAsTuple);
    static_cast<void>(woken);
  }
  ++inside_;
  co_return Pass(*this);
}

void ListGate::hold_until(Clock::time_point time) noexcept {
  held_until_ = std::max(held_until_, time);
  wake_first();
}

void ListGate::wake_first() noexcept {
  if (!waiting_.empty()) waiting_.front()->cancel();
}

}  // namespace cppx::controller
