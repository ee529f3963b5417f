#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proxy/transport/event_loop.h"

namespace cppx::proxy {

class TimerWheel;

/// One deadline of one object; calls expired() on the worker's thread when it passes. Arming again
/// before it passed costs a store, so it may be done for every read and write.
class Deadline {
 public:
  explicit Deadline(TimerWheel& wheel) noexcept : wheel_(wheel) {}
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// Zero or less: disarms.
  void arm(std::chrono::milliseconds after) noexcept;
  /// Arms it unless it is armed for a time that comes sooner.
  void hasten(std::chrono::milliseconds after) noexcept;
  void disarm() noexcept { due_tick_ = kNever; }
  [[nodiscard]] bool armed() const noexcept { return due_tick_ != kNever; }

 protected:
  ~Deadline();
  virtual void expired() = 0;

 private:
  friend class TimerWheel;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  TimerWheel& wheel_;
  std::uint64_t due_tick_ = kNever;
  std::uint64_t linked_tick_ = kNever;  // the tick it will be looked at; kNever: not in a slot
  Deadline* next_ = nullptr;
  Deadline** previous_link_ = nullptr;
};

/// Hashed timing wheel for one worker. A deadline passes up to two ticks late, never early. Nothing
/// runs while no deadline is armed.
class TimerWheel final : private EventLoop::Timer {
 public:
  static constexpr std::chrono::milliseconds kTick{10};

  explicit TimerWheel(EventLoop& loop) noexcept;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

 private:
  friend class Deadline;
  static constexpr std::size_t kSlots = 1024;

  [[nodiscard]] std::uint64_t tick_of(std::chrono::steady_clock::time_point time) const noexcept;
  void link(Deadline& deadline, std::uint64_t tick) noexcept;
  void unlink(Deadline& deadline) noexcept;
  void schedule(std::uint64_t tick);
  void on_time() override;
  void visit_slot(std::uint64_t tick);
  [[nodiscard]] std::uint64_t next_occupied(std::uint64_t from) const noexcept;

  EventLoop& loop_;
  std::chrono::steady_clock::time_point start_;
  std::array<Deadline*, kSlots> slots_{};
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::uint64_t visited_tick_ = 0;  // all ticks up to here have been looked at
  std::uint64_t scheduled_tick_ = Deadline::kNever;
  std::size_t linked_ = 0;
};

}  // namespace cppx::proxy
