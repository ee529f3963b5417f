#include "controller/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/dump.h"
#include "tests/unit/controller/file_support.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;

/// Keeps what is published; waits for what it should look like.
class TestSink final : public routing::SnapshotSink {
 public:
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override {
    const std::scoped_lock lock(mutex_);
    in_order_ = in_order_ && snapshot->generation == (last_ == nullptr ? 1 : last_->generation + 1);
    last_ = std::move(snapshot);
    changed_.notify_all();
  }
  bool wait_for_text(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] {
      return last_ != nullptr && routing::dump(*last_).find(text) != std::string::npos;
    });
  }
  std::shared_ptr<const routing::Snapshot> last() {
    const std::scoped_lock lock(mutex_);
    return last_;
  }
  bool in_order() {
    const std::scoped_lock lock(mutex_);
    return in_order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const routing::Snapshot> last_;
  bool in_order_ = true;
};

std::string ingress_yaml(std::string_view name, std::string_view host) {
  return fmt::format(
      R"(apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: {0}
  annotations: {{ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {{controller: cppx.io/ingress-controller}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {0}}}
spec:
  rules:
  - host: {1}
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
)",
      name, host
  );
}

ControllerOptions options_of(const test::TempFolder& folder) {
  ControllerOptions options;
  options.manifests = {folder.path()};
  return options;
}

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("Controller: manifests become snapshots, changes included", "[controller]") {
  const test::TempFolder folder;
  folder.write("web.yaml", ingress_yaml("web", "www.example.com"));
  folder.write("slice.yaml", test::endpoints_yaml("10.0.0.1"));
  TestSink sink;
  Controller controller(options_of(folder), sink);
  REQUIRE(controller.start().has_value());
  REQUIRE(sink.wait_for_text("pool default/web:80 ready 10.0.0.1:8080"));
  const auto first = sink.last();
  CHECK(first->generation == 1);
  CHECK(
      routing::dump(*first).find("Prefix / -> default/web:80 [ns=default ingress=web]") !=
      std::string::npos
  );

  folder.write("slice.yaml", test::endpoints_yaml("10.0.0.2"));
  REQUIRE(sink.wait_for_text("pool default/web:80 ready 10.0.0.2:8080"));
  // An endpoint changed, so the table is the one there was.
  CHECK(sink.last()->listeners[0].routes == first->listeners[0].routes);

  std::filesystem::remove(folder / "slice.yaml");
  REQUIRE(sink.wait_for_text("pool default/web:80 no-endpoints"));
  CHECK(sink.in_order());
}

TEST_CASE("Controller: status and problems", "[controller]") {
  const test::TempFolder folder;
  folder.write("web.yaml", ingress_yaml("web", "www.example.com"));
  TestSink sink;
  Controller controller(options_of(folder), sink);
  CHECK_FALSE(controller.status().synced);
  REQUIRE(controller.start().has_value());
  REQUIRE(eventually([&] { return controller.status().synced; }));
  auto status = controller.status();
  CHECK(status.generation == 1);
  CHECK(status.problems.empty());
  REQUIRE(status.diagnostics->size() == 1);
  CHECK(status.diagnostics->at(0).reason == "NoEndpoints");

  folder.write("web.yaml", "kind: [\n");
  REQUIRE(eventually([&] { return !controller.status().problems.empty(); }));
  status = controller.status();
  CHECK(status.problems[0].find("web.yaml: document 1, line ") != std::string::npos);
  // Nothing was lost, so there was nothing to publish.
  CHECK(status.generation == 1);

  folder.write("web.yaml", ingress_yaml("web", "api.example.com"));
  REQUIRE(sink.wait_for_text("host api.example.com"));
  CHECK(eventually([&] { return controller.status().problems.empty(); }));
}

TEST_CASE(
    "Controller: a burst of changes comes as few snapshots, the last one complete", "[controller]"
) {
  const test::TempFolder folder;
  TestSink sink;
  Controller controller(options_of(folder), sink);
  REQUIRE(controller.start().has_value());
  REQUIRE(sink.wait_for_text("host _"));
  for (int i = 0; i < 200; ++i)
    folder.write(
        fmt::format("{}.yaml", i),
        ingress_yaml(fmt::format("i{}", i), fmt::format("h{}.example.com", i))
    );
  REQUIRE(sink.wait_for_text("host h199.example.com"));
  REQUIRE(eventually([&] { return sink.last()->listeners[0].routes->hosts().size() == 201; }));
  CHECK(sink.last()->generation < 201);
  CHECK(sink.in_order());
}

TEST_CASE("Controller: an ExternalName is resolved", "[controller]") {
  const test::TempFolder folder;
  folder.write(
      "web.yaml",
      ingress_yaml("web", "www.example.com") +
          "---\n{apiVersion: v1, kind: Service, metadata: {name: ext}, spec: {type: ExternalName, "
          "externalName: 192.0.2.1}}\n---\n" +
          R"(apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ext}
spec:
  rules:
  - host: ext.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ext, port: {number: 81}}}}]}
)"
  );
  TestSink sink;
  Controller controller(options_of(folder), sink);
  REQUIRE(controller.start().has_value());
  CHECK(sink.wait_for_text("pool default/ext:81 ready 192.0.2.1:81"));
}

TEST_CASE("Controller: stop ends publishing and may be called twice", "[controller]") {
  const test::TempFolder folder;
  folder.write("web.yaml", ingress_yaml("web", "www.example.com"));
  TestSink sink;
  Controller controller(options_of(folder), sink);
  REQUIRE(controller.start().has_value());
  REQUIRE(sink.wait_for_text("host www.example.com"));
  controller.stop();
  const auto generation = sink.last()->generation;
  folder.write("web.yaml", ingress_yaml("web", "api.example.com"));
  controller.stop();
  CHECK(sink.last()->generation == generation);
}

TEST_CASE("Controller: a review that nobody waits for any more is left out", "[controller]") {
  const test::TempFolder folder;
  folder.write("web.yaml", ingress_yaml("web", "www.example.com"));
  TestSink sink;
  Controller controller(options_of(folder), sink);
  REQUIRE(controller.start().has_value());
  const auto review = [&](std::chrono::steady_clock::time_point until) {
    const auto promise = std::make_shared<std::promise<std::optional<AdmissionVerdict>>>();
    auto verdict = promise->get_future();
    Ingress ingress;
    ingress.meta.key = {.ns = "default", .name = "new"};
    const auto take = [promise](std::optional<AdmissionVerdict> found) {
      promise->set_value(std::move(found));
    };
    controller.review(std::move(ingress), ReviewDone(take, until));
    REQUIRE(verdict.wait_for(10s) == std::future_status::ready);
    return verdict.get();
  };
  const auto now = std::chrono::steady_clock::now();
  const auto verdict = review(now + 1h);
  REQUIRE(verdict.has_value());
  CHECK(verdict->allowed);
  CHECK_FALSE(review(now).has_value());
}

TEST_CASE("Controller: options that cannot be used are errors", "[controller]") {
  const test::TempFolder folder;
  TestSink sink;
  ControllerOptions options;
  options.manifests = {folder / "nope"};
  Controller controller(options, sink);
  const auto started = controller.start();
  REQUIRE(started.has_error());
  CHECK(started.error().detail == (folder / "nope").string() + ": No such file or directory");

  ControllerOptions kubernetes;
  kubernetes.kubeconfig = folder / "kubeconfig";
  Controller other(kubernetes, sink);
  const auto refused = other.start();
  REQUIRE(refused.has_error());
  CHECK(refused.error().detail.find((folder / "kubeconfig").string()) != std::string::npos);
  CHECK(sink.last() == nullptr);
}

TEST_CASE("check_manifests: a translation and the problems", "[controller]") {
  const test::TempFolder folder;
  folder.write("a.yaml", ingress_yaml("web", "www.example.com"));
  folder.write("b.yaml", "kind: [\n");
  const auto checked = check_manifests({folder.path()}, {});
  REQUIRE(checked.has_value());
  CHECK(
      routing::dump(*checked->translation.snapshot).find("host www.example.com") !=
      std::string::npos
  );
  REQUIRE(checked->problems.size() == 1);
  CHECK(checked->problems[0].find("b.yaml: document 1, line ") != std::string::npos);
  CHECK(check_manifests({folder / "nope"}, {}).has_error());
}

}  // namespace cppx::controller
