#include "app/known_routes.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "routing/snapshot.h"

namespace cppx::app {
namespace {

/// Between looks at whether the state that was published is complete.
constexpr std::chrono::milliseconds kLook{5};

class LastSnapshot final : public routing::SnapshotSink {
 public:
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override {
    const std::scoped_lock lock(mutex_);
    last_ = std::move(snapshot);
  }
  std::shared_ptr<const routing::Snapshot> take() {
    const std::scoped_lock lock(mutex_);
    return std::move(last_);
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const routing::Snapshot> last_;
};

Result<KnownRoutes> read_manifests(const controller::ControllerOptions& options) {
  auto checked = controller::check_manifests(options.manifests, options.translate);
  if (!checked) return checked.error();
  for (const auto& problem : checked->problems)
    std::fprintf(stderr, "problem: %s\n", problem.c_str());
  KnownRoutes known{
      .snapshot = std::move(checked->translation.snapshot),
      .diagnostics = std::move(checked->translation.diagnostics),
      .store = std::move(checked->store),
      .options = options.translate
  };
  known.options.classes.apply_default_class = true;
  return known;
}

}  // namespace

Result<KnownRoutes> read_known_routes(
    const controller::ControllerOptions& options, std::chrono::seconds at_most
) {
  if (!options.manifests.empty()) return read_manifests(options);
  LastSnapshot sink;
  controller::ControllerOptions looking = options;
  looking.only_looks = true;
  controller::Controller controller(looking, sink);
  if (auto started = controller.start(); !started) return started.error();
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  auto status = controller.status();
  for (; !status.synced; status = controller.status()) {
    if (std::chrono::steady_clock::now() >= deadline)
      return config_error(
          Errc::kTimeout,
          fmt::format(
              "the cluster has not been read after {} s: {}", at_most.count(), status.waiting_for
          )
      );
    std::this_thread::sleep_for(kLook);
  }
  controller.stop();
  status = controller.status();
  return KnownRoutes{
      .snapshot = sink.take(),
      .diagnostics = std::move(status.diagnostics),
      .store = controller.store(),
      .options = options.translate
  };
}

}  // namespace cppx::app
