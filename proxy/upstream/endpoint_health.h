#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "routing/balance/balance_policy.h"

namespace cppx::proxy {

/// How one endpoint (address and port) is doing: one record for all routes and all workers, which
/// outlives snapshots. Judged by what requests meet: connections that fail or end without a
/// response.
///
///   kHealthy ─ failures in a row → kEjected ─ time passes, one request is let through → kProbing
///   kProbing ─ fails → kEjected, for longer; succeeds → kReturning ─ time passes → kHealthy
///
/// An answer may take its time (a long poll), so a probe also succeeds when a connection could be
/// made for it and does not fail at once.
///
/// Any thread. Read at every choice and written only when something changes, so that the workers do
/// not fight for its memory. The steps are independent of each other: relaxed order is enough, but
/// for `changes`, which tells that a phase has changed.
class EndpointHealth {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = std::chrono::time_point<Clock, std::chrono::milliseconds>;

  enum class Phase : std::uint8_t {
    kHealthy,
    kEjected,    ///< Until `time`; then it waits for a probe.
    kProbing,    ///< Since `time`.
    kReturning,  ///< Since `time`; gets a rising share. Before `time` the probe is still watched.
    kStarting,   ///< New since `time`; gets a rising share.
  };
  struct State {
    Phase phase = Phase::kHealthy;
    Time time{};
  };

  /// A probe that has not ended after this is followed by another one.
  static constexpr std::chrono::seconds kProbePatience{5};
  /// A connection made for a probe that does not fail in this time is as good as an answer.
  static constexpr std::chrono::seconds kConnectionTrial{1};

  /// `changes` counts the changes of phase of all records; it outlives them.
  explicit EndpointHealth(std::atomic<std::uint64_t>& changes) noexcept : changes_(changes) {}
  EndpointHealth(const EndpointHealth&) = delete;
  EndpointHealth& operator=(const EndpointHealth&) = delete;

  [[nodiscard]] State state() const noexcept {
    return unpack(state_.load(std::memory_order_relaxed));
  }
  /// Whether nothing is held against it: then a success need not be told.
  [[nodiscard]] bool spotless() const noexcept {
    return state_.load(std::memory_order_relaxed) == 0 &&
           failures_.load(std::memory_order_relaxed) == 0;
  }

  /// A connection to it failed. `jitter`, from 0 up to 1, varies the time of an ejection. True if
  /// this ejected it.
  bool on_failure(const routing::EjectionSettings& settings, Time now, double jitter) noexcept;
  /// It has taken a new connection.
  void on_connection(Time now) noexcept;
  /// It has answered. `settle_after` is how long it has had rising shares when it has all of them.
  void on_success(std::chrono::milliseconds settle_after, Time now) noexcept;
  /// Whether the caller's next request is the one that tries it out.
  bool claim_probe(Time now) noexcept;
  /// It joined a pool then: what was held against an earlier endpoint of that address is forgotten.
  /// Every worker says so that finds it out, the last one maybe long after; the first one is heard.
  void join(Time since) noexcept;
  /// It is new since then and shall get rising shares, unless something worse is held against it.
  /// Every worker says so that finds it out.
  void start_slowly(Time since) noexcept;

  /// Whether claim_probe() could succeed at `now`.
  static bool waits_for_probe(const State& state, Time now) noexcept;
  /// Whether all depends on a probe: one failure ejects.
  static bool is_tried_out(const State& state, Time now) noexcept;

 private:
  static constexpr unsigned kPhaseShift = 60;

  static std::uint64_t pack(Phase phase, Time time) noexcept;
  static State unpack(std::uint64_t packed) noexcept;
  bool change(std::uint64_t from, Phase phase, Time time) noexcept;

  std::atomic<std::uint64_t>& changes_;
  std::atomic<std::uint64_t> state_{0};
  std::atomic<std::uint32_t> failures_{0};   // in a row
  std::atomic<std::uint32_t> ejections_{0};  // since it was last healthy
  std::atomic<Time> joined_{Time()};         // the last time that was heard of
};

}  // namespace cppx::proxy
