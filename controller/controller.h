#pragma once
// The controller folder: from watch events or manifests to snapshots, on one thread.
//
//   kube/ (ApiClient, Reflector)  ─┐
//   file/ (ManifestSource)        ─┴→ model/ (decode) → cache/ (Store) → translate/ (Translator) →
//   SnapshotSink
//
// Beside it, duties/: what one replica does for all (election/, status/, events/).
//
// Never touches a socket of the data plane. May include: tls, features, routing, base.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "controller/admission/review.h"
#include "controller/cache/store.h"
#include "controller/duties/duty_options.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"

namespace cppx::controller {

struct ControllerOptions {
  TranslateOptions translate;
  std::vector<std::filesystem::path> manifests;  ///< --manifests; when empty, Kubernetes is used.
  std::optional<std::filesystem::path> kubeconfig;  ///< --kubeconfig; otherwise in-cluster.
  std::optional<std::string> apiserver_host;        ///< --apiserver-host
  std::optional<std::filesystem::path> certificate_authority;  ///< --certificate-authority
  std::vector<std::string> watch_namespaces;                   ///< --watch-namespace; empty: all.
  /// For commands that only look: nothing is written to the cluster nor to the disk.
  bool only_looks = false;
  DutyOptions duties;                    ///< Nothing of it with manifests.
  std::string watch_namespace_selector;  ///< --watch-namespace-selector; empty: none.
  std::optional<std::filesystem::path> snapshot_cache;           ///< --snapshot-cache
  std::optional<std::filesystem::path> snapshot_cache_key_file;  ///< --snapshot-cache-key-file
};

/// What the controller knows about itself; for /readyz and the log.
struct ControllerStatus {
  bool synced = false;      ///< The first complete state has been published.
  bool from_cache = false;  ///< What is published is of the snapshot cache, until synced.
  std::string waiting_for;  ///< While not synced: what is missing ("list of Ingresses: connection
                            ///< refused").
  std::uint64_t generation = 0;
  /// Never null.
  std::shared_ptr<const std::vector<Diagnostic>> diagnostics =
      std::make_shared<const std::vector<Diagnostic>>();
  std::vector<std::string> problems;  ///< Broken manifest files and documents, one line each.
  std::string trouble;  ///< What is wrong with the API server now; empty when nothing is.
  DutyState duties;
};

/// Owns the control thread, the store, the sources and the translator. start() returns when options
/// proved usable (a kubeconfig that cannot be read, a manifests path that does not exist are
/// errors); the first snapshot comes later through the sink. An unreachable API server is waited
/// for, never an error.
class Controller {
 public:
  Controller(ControllerOptions options, routing::SnapshotSink& sink);
  ~Controller();  ///< Stops.
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  Result<void> start();
  /// Ends what only the leader of the replicas does, without waiting for it: serving and
  /// translating go on. stop() waits for it, a few seconds at most.
  void leave(Departure departure);
  /// Ends the control thread; no publish happens after it returned. May be called twice. Leaves as
  /// `departure` says, unless leave() was called before.
  void stop(Departure departure = Departure::kEnds);

  /// Reviews on the control thread, and calls `done` there: with nothing before everything has been
  /// heard of once, and when it is not awaited any more. Never calls it when stop() came first.
  /// After start(), from any thread.
  void review(Ingress ingress, ReviewDone done);

  /// The objects as last heard of. After stop() only.
  [[nodiscard]] const Store& store() const;

  /// From any thread.
  [[nodiscard]] ControllerStatus status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads manifests once and translates them: what `cppx check` and `cppx routes` show. Broken files
/// and documents come as errors in `problems`, one line each.
struct ManifestCheck {
  Store store;
  Translation translation;
  std::vector<std::string> problems;
};
Result<ManifestCheck> check_manifests(
    const std::vector<std::filesystem::path>& paths, TranslateOptions options
);

}  // namespace cppx::controller
