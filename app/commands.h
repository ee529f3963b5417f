#pragma once

#include <functional>
#include <memory>

#include "app/flags.h"
#include "routing/snapshot.h"

namespace cppx::app {

/// Each runs a command to its end and returns the exit code: 0, 1 (check found problems, explain
/// and routes nothing that is served) or 2 (error of use).
int run(const Flags& flags);
int demo(const Flags& flags);
int check(const Flags& flags);
int explain(const Flags& flags);
int routes(const Flags& flags);

/// What run() does, with two places for others to join in.
struct ServeHooks {
  /// Sees each snapshot before the proxy does, on the control thread.
  std::function<void(const routing::Snapshot&)> on_snapshot;
  /// Called once the listeners are open, with their ports.
  std::function<void(std::uint16_t http_port, std::uint16_t https_port)> on_listening;
};
int serve(const Flags& flags, const ServeHooks& hooks);

}  // namespace cppx::app
