#include "controller/translate/publish_loop.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "controller/cache/store.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"
#include "tls/certificate.h"

namespace cppx::controller {
namespace {

bool same_parts(const routing::Snapshot& a, const routing::Snapshot& b) {
  const auto same_listener = [](const routing::ListenerTable& x, const routing::ListenerTable& y) {
    return x.name == y.name && x.routes == y.routes && x.certificates == y.certificates;
  };
  return a.settings == b.settings && a.pools == b.pools &&
         std::ranges::equal(a.listeners, b.listeners, same_listener);
}

}  // namespace

PublishLoop::PublishLoop(
    boost::asio::io_context& io, TranslateOptions options, const Store& store,
    std::shared_ptr<const tls::Certificate> self_made, routing::SnapshotSink& sink,
    Translated translated, PublishOptions publish_options
)
    : translator_(std::move(options)),
      store_(store),
      self_made_(std::move(self_made)),
      sink_(sink),
      translated_(std::move(translated)),
      options_(publish_options),
      timer_(io),
      names_timer_(io) {}

void PublishLoop::request() {
  if (std::exchange(pending_, true) || stopped_) return;
  timer_.expires_at(std::max(Clock::now(), next_));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopped_) run();
  });
}

void PublishLoop::stop() {
  stopped_ = true;
  timer_.cancel();
  names_timer_.cancel();
}

void PublishLoop::run() {
  pending_ = false;
  const auto start = Clock::now();
  Translation translation = translator_.translate({
      .store = store_,
      .names = *names_,
      .now = std::chrono::system_clock::now(),
      .self_made_certificate = self_made_,
      .join_time = last_ == nullptr ? std::nullopt : std::optional(start),
  });
  const auto end = Clock::now();
  // A translation that takes long may have half of the thread at most.
  next_ = end + std::max<Clock::duration>(options_.burst_interval, end - start);
  log_diagnostics(translation.diagnostics);
  if (last_ == nullptr ? !waits_for_names(translation) : !same_parts(*last_, *translation.snapshot))
    publish(translation.snapshot, end - start);
  translated_(translation);
}

bool PublishLoop::waits_for_names(const Translation& translation) {
  const bool all_known =
      std::ranges::all_of(*translation.external_names, [this](const std::string& name) {
        return names_->contains(name);
      });
  if (all_known || waited_for_names_) return false;
  if (std::exchange(waiting_for_names_, true)) return true;
  names_timer_.expires_after(options_.names_wait);
  names_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    waited_for_names_ = true;
    request();
  });
  return true;
}

void PublishLoop::publish(std::shared_ptr<routing::Snapshot> snapshot, Clock::duration took) {
  names_timer_.cancel();
  snapshot->generation = ++generation_;
  last_ = snapshot;
  log::debug(
      "snapshot {} published: {} hosts, {} pools, {} diagnostics; translated in {} us", generation_,
      snapshot->listeners.front().routes->size(), snapshot->pools.size(), diagnostics_->size(),
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()
  );
  sink_.publish(std::move(snapshot));
}

void PublishLoop::log_diagnostics(const std::shared_ptr<const std::vector<Diagnostic>>& now) {
  static const std::vector<Diagnostic> kNone;
  if (now == diagnostics_) return;
  const std::vector<Diagnostic>& before = diagnostics_ == nullptr ? kNone : *diagnostics_;
  std::vector<Diagnostic> changed;
  std::ranges::set_difference(*now, before, std::back_inserter(changed));
  for (const Diagnostic& diagnostic : changed) {
    if (diagnostic.severity == Severity::kError)
      log::error("{}", diagnostic.to_string());
    else
      log::warning("{}", diagnostic.to_string());
  }
  changed.clear();
  std::ranges::set_difference(before, *now, std::back_inserter(changed));
  for (const Diagnostic& diagnostic : changed)
    log::info("no longer the case: {}", diagnostic.to_string());
  diagnostics_ = now;
}

}  // namespace cppx::controller
