#include "controller/election/leader_elector.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include <boost/system/error_code.hpp>
#include <nlohmann/json.hpp>

#include "base/boot_clock.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/election/lease.h"
#include "controller/kube/api_client.h"
#include "controller/kube/task.h"

namespace cppx::controller {
namespace {

using std::chrono::milliseconds;

constexpr int kGiveUpTries = 3;
constexpr std::int64_t kLongest = 24L * 3600;

}  // namespace

LeaderElector::LeaderElector(ApiClient& client, ElectionOptions options, Changed changed)
    : client_(client),
      options_(std::move(options)),
      changed_(std::move(changed)),
      random_(options_.seed),
      timer_(client.executor()),
      deadline_timer_(client.executor()) {}

bool LeaderElector::is_leader() const noexcept {
  const auto until = lead_until_.load(std::memory_order_relaxed);
  return until != 0 && options_.now().time_since_epoch().count() < until;
}

Task<void> LeaderElector::run() {
  while (!released_) {
    const auto attempted = co_await attempt();
    if (released_) break;
    report(attempted);
    tell();
    timer_.expires_after(pause(attempted.has_error()));
    const auto waited = co_await timer_.async_wait(kAsTuple);
    static_cast<void>(waited);
  }
}

// A leader writes again what it wrote last without reading it first. One whose time is over reads:
// it may have been stopped for long.
Task<Result<void>> LeaderElector::attempt() {
  if (is_leader() && fresh_ && is_ours(observed_.record)) {
    const auto renewed = co_await renew();
    if (renewed) co_return renewed;
    const Errc code = renewed.error().code;
    if (code != Errc::kConflict && code != Errc::kNotFound) co_return renewed;
  }
  const auto taken = co_await take();
  co_return taken;
}

Task<Result<void>> LeaderElector::renew() { return write(observed_); }

Task<Result<void>> LeaderElector::take() {
  fresh_ = false;
  auto found = co_await client_.get(lease_path());
  if (released_) co_return Result<void>{};
  if (!found && found.error().code == Errc::kNotFound) {
    const auto created = co_await create();
    co_return created;
  }
  if (!found) co_return found.error();
  auto lease = read_lease(std::move(*found));
  if (!lease) co_return lease.error();
  observe(std::move(*lease));
  const bool free = observed_.record.holder.empty() || options_.now() >= expiry();
  // Taken from us, by whom it may be: our time is not waited for.
  if (!is_ours(observed_.record)) lose();
  if (!free && !is_ours(observed_.record)) co_return Result<void>{};
  const auto written = co_await write(observed_);
  // Somebody was faster.
  if (!written && written.error().code == Errc::kConflict) co_return Result<void>{};
  co_return written;
}

Task<Result<void>> LeaderElector::create() {
  const auto asked = options_.now();
  const LeaseRecord record = next_record({});
  acquire_time_ = record.acquire_time;
  auto made =
      co_await client_.post(leases_path(options_.lease.ns), new_lease(options_.lease, record));
  // Somebody was faster, and leads.
  if (!made && made.error().code == Errc::kConflict) {
    lose();
    co_return Result<void>{};
  }
  if (!made) co_return made.error();
  auto lease = read_lease(std::move(*made));
  if (!lease) co_return lease.error();
  observe(std::move(*lease));
  won(asked);
  co_return Result<void>{};
}

Task<Result<void>> LeaderElector::write(Lease lease) {
  const auto asked = options_.now();
  const LeaseRecord record = next_record(lease.record);
  acquire_time_ = record.acquire_time;
  // An answer that does not come may still have been a yes: then only the server knows the version.
  fresh_ = false;
  auto written = co_await client_.put(lease_path(), with_record(std::move(lease.object), record));
  if (!written) co_return written.error();
  auto answer = read_lease(std::move(*written));
  if (!answer) co_return answer.error();
  observe(std::move(*answer));
  won(asked);
  co_return Result<void>{};
}

void LeaderElector::observe(Lease lease) {
  if (!seen_ || observed_.record != lease.record) observed_at_ = options_.now();
  observed_ = std::move(lease);
  seen_ = true;
  fresh_ = true;
}

// Counted from before the request was sent: whoever else saw this renewal saw it later.
void LeaderElector::won(BootClock::time_point asked) {
  if (released_) return;
  const auto until = asked + options_.renew_deadline();
  lead_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

void LeaderElector::lose() { lead_until_.store(0, std::memory_order_relaxed); }

bool LeaderElector::is_ours(const LeaseRecord& record) const {
  return !acquire_time_.empty() && record.holder == options_.identity &&
         record.acquire_time == acquire_time_;
}

BootClock::time_point LeaderElector::expiry() const {
  // Whatever the record says: a Lease that is never free again would be of no use.
  const auto seconds = std::clamp<std::int64_t>(observed_.record.duration_seconds, 0, kLongest);
  return observed_at_ + std::chrono::seconds(seconds);
}

LeaseRecord LeaderElector::next_record(const LeaseRecord& previous) const {
  const std::string now = micro_time(std::chrono::system_clock::now());
  LeaseRecord record{
      .holder = options_.identity,
      .duration_seconds = std::chrono::ceil<std::chrono::seconds>(options_.ttl).count(),
      .acquire_time = now,
      .renew_time = now,
      .transitions = previous.transitions,
  };
  if (is_ours(previous)) {
    record.acquire_time = previous.acquire_time;
  } else if (!previous.renew_time.empty() || !previous.holder.empty()) {
    ++record.transitions;
  }
  return record;
}

std::string LeaderElector::lease_path() const {
  return leases_path(options_.lease.ns) + "/" + options_.lease.name;
}

milliseconds LeaderElector::pause(bool failed) {
  const milliseconds period = options_.retry_period();
  // Candidates that came in step do not stay in step.
  const auto jitter =
      milliseconds(std::uniform_int_distribution<milliseconds::rep>(0, period.count() / 5)(random_)
      );
  if (is_leader()) return failed ? std::max(period / 4, milliseconds(1)) : period;
  if (failed || !seen_ || observed_.record.holder.empty()) return period / 2 + jitter;
  const auto left = std::chrono::ceil<milliseconds>(expiry() - options_.now());
  return std::clamp(left, milliseconds(1), period) + jitter;
}

void LeaderElector::report(const Result<void>& attempt) {
  std::string trouble =
      attempt || attempt.error().code == Errc::kCancelled ? std::string() : attempt.error().detail;
  if (trouble == trouble_) return;
  if (!trouble.empty())
    log::warning("Lease {}: {} (trying on)", options_.lease.to_string(), trouble);
  else
    log::info("Lease {} can be used again", options_.lease.to_string());
  trouble_ = std::move(trouble);
}

void LeaderElector::tell() {
  const bool leading = is_leader();
  if (leading) {
    const BootClock::duration left(
        lead_until_.load(std::memory_order_relaxed) - options_.now().time_since_epoch().count()
    );
    deadline_timer_.expires_after(std::max(std::chrono::ceil<milliseconds>(left), milliseconds(1)));
    deadline_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) tell();
    });
  }
  if (std::exchange(leading_, leading) == leading) return;
  log::info(
      "{} Lease {} as {}", leading ? "Leading by" : "No longer leading by",
      options_.lease.to_string(), options_.identity
  );
  changed_(leading);
}

void LeaderElector::abandon() {
  released_ = true;
  lose();
  deadline_timer_.cancel();
  timer_.cancel();
}

Task<void> LeaderElector::release() {
  if (released_) co_return;
  const bool led = !acquire_time_.empty();
  abandon();
  tell();
  if (!led) co_return;
  for (int tries = 0; tries < kGiveUpTries; ++tries) {
    const auto given_up = co_await give_up();
    if (given_up || given_up.error().code != Errc::kConflict) co_return;
  }
}

// Read anew: a renewal may have been under way, whose answer nobody waits for any more.
Task<Result<void>> LeaderElector::give_up() {
  auto found = co_await client_.get(lease_path());
  if (!found) co_return found.error();
  auto lease = read_lease(std::move(*found));
  if (!lease) co_return lease.error();
  if (!is_ours(lease->record)) co_return Result<void>{};
  const std::string now = micro_time(std::chrono::system_clock::now());
  const LeaseRecord record{
      .holder = {},
      .duration_seconds = 1,
      .acquire_time = now,
      .renew_time = now,
      .transitions = lease->record.transitions,
  };
  const auto written =
      co_await client_.put(lease_path(), with_record(std::move(lease->object), record));
  if (!written) co_return written.error();
  co_return Result<void>{};
}

}  // namespace cppx::controller
