#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/cache/store.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/resolved_names.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"
#include "tls/certificate.h"

namespace cppx::controller {

struct PublishOptions {
  std::chrono::milliseconds burst_interval{5};  ///< Between two snapshots, at least.
  /// How long the very first snapshot waits for the names of ExternalName Services: a program that
  /// starts anew should not answer 503 for what it is about to know.
  std::chrono::milliseconds names_wait{2000};
};

/// Turns changes of the store into snapshots: the first one at once, those of a burst together
/// every few milliseconds. Translations that come to the same parts are not published. Logs
/// diagnostics when they appear and when they are gone. Belongs to the thread of the io_context.
class PublishLoop {
 public:
  /// Called after each translation, published or not.
  using Translated = std::function<void(const Translation&)>;

  PublishLoop(
      boost::asio::io_context& io, TranslateOptions options, const Store& store,
      std::shared_ptr<const tls::Certificate> self_made, routing::SnapshotSink& sink,
      Translated translated, PublishOptions publish_options = {}
  );

  /// Something changed. `names` are those of the resolver, read when the translation runs.
  void request();
  void set_names(const ResolvedNames& names) { names_ = &names; }
  /// Nothing is published any more.
  void stop();

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// Of the last translation; null before the first.
  [[nodiscard]] const std::shared_ptr<const std::vector<Diagnostic>>& diagnostics() const noexcept {
    return diagnostics_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  bool waits_for_names(const Translation& translation);
  void publish(std::shared_ptr<routing::Snapshot> snapshot, Clock::duration took);
  void log_diagnostics(const std::shared_ptr<const std::vector<Diagnostic>>& now);

  Translator translator_;
  const Store& store_;
  std::shared_ptr<const tls::Certificate> self_made_;
  routing::SnapshotSink& sink_;
  Translated translated_;
  PublishOptions options_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer names_timer_;
  ResolvedNames no_names_;
  const ResolvedNames* names_ = &no_names_;
  bool pending_ = false;
  bool waiting_for_names_ = false;
  bool waited_for_names_ = false;
  bool stopped_ = false;
  Clock::time_point next_{};  // not before
  std::uint64_t generation_ = 0;
  std::shared_ptr<const routing::Snapshot> last_;
  std::shared_ptr<const std::vector<Diagnostic>> diagnostics_;
};

}  // namespace cppx::controller
