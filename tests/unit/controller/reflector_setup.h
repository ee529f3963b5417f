#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/kube/api_client.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/reflector.h"
#include "controller/kube/task_group.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {

/// A Reflector of Services at a fake API, which must end well.
struct ReflectorSetup {
  explicit ReflectorSetup(
      ListWatchOptions options = quick_list_watch(), std::string ns = {},
      ApiClientOptions client_options = {}
  )
      : client(ApiClient::create(io, plain_config(api.server.url()), client_options).value()),
        reflector(
            *client, Kind::kService, std::move(ns), {}, sink, {}, [this] { ++state_changes; },
            options
        ) {}
  ~ReflectorSetup() {
    tasks.cancel();
    CHECK(run_until(io, [this] { return tasks.empty(); }));
  }
  ReflectorSetup(const ReflectorSetup&) = delete;
  ReflectorSetup& operator=(const ReflectorSetup&) = delete;

  void start() { tasks.spawn(reflector.run()); }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  bool has(const std::string& name) const { return sink.has(Kind::kService, "shop", name); }
  void put(const std::string& name) { api.put("/api/v1/services", service_json("shop", name)); }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  RecordingSink sink;
  unsigned state_changes = 0;
  std::unique_ptr<ApiClient> client;
  Reflector reflector;
  TaskGroup tasks{io.get_executor()};
};

}  // namespace cppx::controller::test
