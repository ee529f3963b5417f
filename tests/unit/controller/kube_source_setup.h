#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/kube/kube_source.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {

/// A KubeSource at a fake API, which must end well.
struct KubeSourceSetup {
  explicit KubeSourceSetup(KubeSourceOptions given = {}) : options(std::move(given)) {
    options.list_watch = quick_list_watch();
  }
  ~KubeSourceSetup() {
    if (!source) return;
    source->stop();
    CHECK(until([this] { return source->stopped(); }));
  }
  KubeSourceSetup(const KubeSourceSetup&) = delete;
  KubeSourceSetup& operator=(const KubeSourceSetup&) = delete;

  void start() {
    source = KubeSource::create(io, plain_config(api.server.url()), options, sink).value();
    source->start();
  }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  bool start_and_sync() {
    start();
    return until([this] { return source->state().synced; });
  }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  RecordingSink sink;
  KubeSourceOptions options;
  std::unique_ptr<KubeSource> source;
};

}  // namespace cppx::controller::test
