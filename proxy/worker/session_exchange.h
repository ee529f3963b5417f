#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <unordered_map>

#include "proxy/coro/task.h"
#include "proxy/worker/timer_wheel.h"
#include "tls/server_context.h"

namespace cppx::proxy {

/// Gets TLS sessions from the workers that have made them, so that a client can resume on any of
/// them, and gives to others what was made here. Workers share nothing for that: a question is a
/// message, and the answer to it another one. All but what it tells is on its worker's thread.
class SessionExchange {
 public:
  /// Calls `work` on the thread of another worker, with what that one has.
  using Tell =
      std::function<void(std::uint32_t worker, std::function<void(SessionExchange&)> work)>;

  /// Both must outlive it; `tell` as long as any worker runs.
  SessionExchange(
      std::uint32_t worker, TimerWheel& wheel, tls::ServerContext& tls, Tell tell
  ) noexcept;
  SessionExchange(const SessionExchange&) = delete;
  SessionExchange& operator=(const SessionExchange&) = delete;

  /// Returns when the session can be resumed here, or is not to be had, or has not come in time. A
  /// worker that was too busy for that is not asked for a while.
  Task<void> fetch(tls::SessionElsewhere wanted);

  static constexpr std::chrono::milliseconds kPatience{100};
  static constexpr std::chrono::seconds kSilence{1};

 private:
  struct Question final : Deadline {
    using Deadline::Deadline;
    void expired() override { over.set(); }
    Event over;
  };

  using Clock = std::chrono::steady_clock;
  /// Where an answer goes, and until when.
  struct Address {
    std::uint32_t worker;
    std::uint64_t question;
    Clock::time_point end;
  };

  void give(const Address& asker, const tls::SessionKey& key);
  void take(std::uint64_t number, const tls::SharedSession& session);

  const std::uint32_t worker_;
  TimerWheel& wheel_;
  tls::ServerContext& tls_;
  Tell tell_;
  std::uint64_t asked_ = 0;
  std::unordered_map<std::uint64_t, Question*> questions_;             // by their numbers
  std::unordered_map<std::uint32_t, Clock::time_point> silent_until_;  // by worker
};

}  // namespace cppx::proxy
