#pragma once

#include <chrono>
#include <cstddef>
#include <list>

#include <boost/asio/basic_waitable_timer.hpp>

#include "controller/kube/task.h"

namespace cppx::controller {

/// Lets a few lists through at a time, in the order in which they come, and none while the server
/// has asked to be left alone: after an outage that made every version too old, all kinds and
/// namespaces would otherwise be asked for at the same moment.
class ListGate {
 public:
  using Clock = std::chrono::steady_clock;

  /// Leave to list; given back by its end. The gate outlives it.
  class Pass {
   public:
    explicit Pass(ListGate& gate) noexcept : gate_(&gate) {}
    Pass(Pass&& other) noexcept;
    Pass& operator=(Pass&&) = delete;
    ~Pass() { leave(); }
    void leave() noexcept;  ///< May be called more than once.

   private:
    ListGate* gate_;
  };

  ListGate(Executor executor, std::size_t at_once);
  ListGate(const ListGate&) = delete;
  ListGate& operator=(const ListGate&) = delete;

  /// Waits for its turn.
  Task<Pass> enter();
  /// Nobody is let in before that time.
  void hold_until(Clock::time_point time) noexcept;

  [[nodiscard]] std::size_t inside() const noexcept { return inside_; }

 private:
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;
  class Place;

  void wake_first() noexcept;

  Executor executor_;
  std::size_t at_once_;
  std::size_t inside_ = 0;
  Clock::time_point held_until_ = Clock::time_point::min();
  std::list<Timer*> waiting_;  ///< Whose turn is next comes first.
};

}  // namespace cppx::controller
