#include "proxy/upstream/endpoint_health.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "routing/balance/balance_policy.h"

namespace cppx::proxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// An ejection lasts up to this much shorter or longer, so that endpoints that failed together do
// not come back together.
constexpr double kJitter = 0.2;

std::chrono::milliseconds length_of(
    const routing::EjectionSettings& settings, std::uint32_t earlier, double jitter
) noexcept {
  constexpr std::uint32_t kMostDoublings = 20;
  const auto doubled = settings.first * (1LL << std::min(earlier, kMostDoublings));
  const auto plain =
      std::min<std::chrono::milliseconds>(doubled, std::max(settings.longest, settings.first));
  const double factor = 1 - kJitter + 2 * kJitter * jitter;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(plain.count()) * factor)
  );
}

}  // namespace

std::uint64_t EndpointHealth::pack(Phase phase, Time time) noexcept {
  constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kPhaseShift) - 1;
  return static_cast<std::uint64_t>(phase) << kPhaseShift |
         (static_cast<std::uint64_t>(time.time_since_epoch().count()) & kTimeMask);
}

EndpointHealth::State EndpointHealth::unpack(std::uint64_t packed) noexcept {
  constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kPhaseShift) - 1;
  return {
      .phase = static_cast<Phase>(packed >> kPhaseShift),
      .time = Time(std::chrono::milliseconds(static_cast<std::int64_t>(packed & kTimeMask)))
  };
}

bool EndpointHealth::change(std::uint64_t from, Phase phase, Time time) noexcept {
  const std::uint64_t to = phase == Phase::kHealthy ? 0 : pack(phase, time);
  if (!state_.compare_exchange_strong(from, to, kRelaxed)) return false;
  // Whoever sees the new count must see the new phase: it would not look again.
  changes_.fetch_add(1, std::memory_order_release);
  return true;
}

bool EndpointHealth::on_failure(
    const routing::EjectionSettings& settings, Time now, double jitter
) noexcept {
  if (settings.failures == 0) return false;
  const std::uint32_t failures = failures_.fetch_add(1, kRelaxed) + 1;
  const std::uint64_t packed = state_.load(kRelaxed);
  const State state = unpack(packed);
  if (state.phase == Phase::kEjected) return false;
  if (!is_tried_out(state, now) && failures < settings.failures) return false;
  const std::uint32_t earlier = ejections_.load(kRelaxed);
  // Of several workers that see it fail at once, one ejects it.
  if (!change(packed, Phase::kEjected, now + length_of(settings, earlier, jitter))) return false;
  ejections_.store(earlier + 1, kRelaxed);
  failures_.store(0, kRelaxed);
  return true;
}

void EndpointHealth::on_connection(Time now) noexcept {
  const std::uint64_t packed = state_.load(kRelaxed);
  if (unpack(packed).phase == Phase::kProbing)
    change(packed, Phase::kReturning, now + kConnectionTrial);
}

void EndpointHealth::on_success(std::chrono::milliseconds settle_after, Time now) noexcept {
  if (failures_.load(kRelaxed) != 0) failures_.store(0, kRelaxed);
  const std::uint64_t packed = state_.load(kRelaxed);
  const State state = unpack(packed);
  switch (state.phase) {
    case Phase::kHealthy:
    case Phase::kEjected:  // a request from before, or one for want of better ones
      break;
    case Phase::kProbing:
      change(packed, Phase::kReturning, now);
      break;
    case Phase::kReturning:
    case Phase::kStarting:
      if (is_tried_out(state, now))
        change(packed, Phase::kReturning, now);
      else if (now - state.time >= settle_after && change(packed, Phase::kHealthy, now))
        ejections_.store(0, kRelaxed);
      break;
  }
}

bool EndpointHealth::waits_for_probe(const State& state, Time now) noexcept {
  if (state.phase == Phase::kEjected) return now >= state.time;
  return state.phase == Phase::kProbing && now - state.time >= kProbePatience;
}

bool EndpointHealth::is_tried_out(const State& state, Time now) noexcept {
  return state.phase == Phase::kProbing || (state.phase == Phase::kReturning && now < state.time);
}

bool EndpointHealth::claim_probe(Time now) noexcept {
  const std::uint64_t packed = state_.load(kRelaxed);
  return waits_for_probe(unpack(packed), now) && change(packed, Phase::kProbing, now);
}

void EndpointHealth::join(Time since) noexcept {
  Time known = joined_.load(kRelaxed);
  do {
    if (since <= known) return;
  } while (!joined_.compare_exchange_weak(known, since, kRelaxed));
  failures_.store(0, kRelaxed);
  ejections_.store(0, kRelaxed);
  // Again if a late result of the earlier endpoint has come in between.
  for (std::uint64_t packed = state_.load(kRelaxed);
       packed != 0 && !change(packed, Phase::kHealthy, since);)
    packed = state_.load(kRelaxed);
}

void EndpointHealth::start_slowly(Time since) noexcept {
  const std::uint64_t packed = state_.load(kRelaxed);
  const State state = unpack(packed);
  // One that went and came back while it was new is new again.
  const bool again = state.phase == Phase::kStarting && state.time < since;
  if (packed == 0 || again) change(packed, Phase::kStarting, since);
}

}  // namespace cppx::proxy
