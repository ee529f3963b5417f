#pragma once
// duties/: what one of the replicas does for all of them, while it leads.
//
//   what the store hears, Diagnostics → Duties → StatusWriter, EventRecorder
//                                          ↑ LeaderElector
//
// May include: election, status, events, kube, cache, translate, model, base.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "controller/cache/store.h"
#include "controller/duties/duty_options.h"
#include "controller/kube/kube_config.h"
#include "controller/model/objects.h"
#include "controller/translate/class_options.h"
#include "controller/translate/diagnostic.h"

namespace cppx::controller {

/// Election, status of Ingresses and Events, on the control thread and with connections of their
/// own. Nothing of it can fail or delay what serves traffic.
class Duties {
 public:
  /// Reads the credentials: errors are one line for the user. POD_NAME and POD_NAMESPACE say who we
  /// are; without the latter the Lease is in the namespace of `config`. `store` and `classes` live
  /// until stopped().
  static Result<std::unique_ptr<Duties>> create(
      boost::asio::io_context& io, KubeConfig config, DutyOptions options,
      const ClassOptions& classes, const Store& store, const Environment& environment
  );
  ~Duties();
  Duties(const Duties&) = delete;
  Duties& operator=(const Duties&) = delete;

  /// Once, when the store is complete.
  void start();

  /// What the source delivers, before the store takes it.
  void listed(Kind kind, const std::string& ns, const std::vector<Object>& objects);
  void seen(const Object& object);
  /// The store has taken an object that differs from what it had.
  void changed(Kind kind, const ObjectKey& key);
  void removed(Kind kind, const ObjectKey& key);
  /// All diagnostics of now, sorted.
  void diagnosed(const std::vector<Diagnostic>& diagnostics);

  /// Ends the duties in order: status removed if nobody else runs, Lease released. `done` is called
  /// once, after a few seconds at the latest. A second call only adds its `done`.
  void leave(Departure departure, std::function<void()> done);
  /// Ends everything at once. The io_context must run on until stopped().
  void stop();
  [[nodiscard]] bool stopped() const noexcept;

  /// From any thread.
  [[nodiscard]] DutyState state() const;

 private:
  class Impl;
  explicit Duties(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller
