#pragma once

#include <map>
#include <memory>
#include <string>

#include "routing/snapshot.h"

namespace cppx::app {

/// Plays the pods of the demo: a small HTTP server on each loopback endpoint of the snapshot, which
/// answers who it is and what it was asked. On a thread of its own.
class DemoBackends {
 public:
  DemoBackends();
  ~DemoBackends();
  DemoBackends(const DemoBackends&) = delete;
  DemoBackends& operator=(const DemoBackends&) = delete;

  /// Starts a server for each endpoint that has none yet, and returns when all listen. Endpoints
  /// outside of 127.0.0.0/8 are left alone.
  void serve(const routing::Snapshot& snapshot);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::app
