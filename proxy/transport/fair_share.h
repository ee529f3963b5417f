#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>

#include "proxy/transport/event_loop.h"

namespace cppx::proxy {

/// Awaitable: goes on after what else the loop has to do now, if that is `due`.
struct Yield {
  EventLoop& loop;
  bool due = true;
  [[nodiscard]] bool await_ready() const noexcept { return !due; }
  void await_suspend(std::coroutine_handle<> waiter) const { loop.resume_soon(waiter); }
  static void await_resume() noexcept {}
};

/// For what may go on and on without ever having to wait, as its peers are quicker than the worker:
/// after some steps in one turn of the loop the others have theirs.
class FairShare {
 public:
  explicit FairShare(EventLoop& loop) noexcept : loop_(loop) {}

  [[nodiscard]] Yield step() noexcept {
    if (std::exchange(turn_, loop_.turns()) != loop_.turns()) steps_ = 0;
    return {.loop = loop_, .due = ++steps_ % kSteps == 0};
  }

 private:
  static constexpr unsigned kSteps = 16;

  EventLoop& loop_;
  std::uint64_t turn_ = 0;
  unsigned steps_ = 0;
};

}  // namespace cppx::proxy
