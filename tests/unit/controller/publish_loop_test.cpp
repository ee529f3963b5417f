#include "controller/translate/publish_loop.h"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/controller/file_support.h"
#include "tests/unit/controller/translate_support.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::controller {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kExternal = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {kubernetes.io/ingress.class: cppx}}
spec:
  rules:
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: ExternalName, externalName: a.example.net}}
)";

struct Fixture : routing::SnapshotSink {
  explicit Fixture(PublishOptions options = {}, TranslateOptions translate = {})
      : loop(
            io, std::move(translate), store, test::self_made_certificate(), *this,
            [this](const Translation&) { ++translations; }, options
        ) {
    loop.set_names(names);
  }
  void publish(std::shared_ptr<const routing::Snapshot> snapshot) override {
    published.push_back(std::move(snapshot));
  }
  bool run_until_translated(int count) {
    return test::run_until(io, [&] { return translations >= count; });
  }
  bool run_until_published(std::size_t count) {
    return test::run_until(io, [&] { return published.size() >= count; });
  }
  void add(std::string_view yaml) {
    for (Object& object : test::objects_of(yaml)) store.apply(std::move(object));
    loop.request();
  }

  boost::asio::io_context io;
  Store store;
  ResolvedNames names;
  std::vector<std::shared_ptr<const routing::Snapshot>> published;
  int translations = 0;
  PublishLoop loop;
};

}  // namespace

TEST_CASE(
    "PublishLoop: requests of a burst come together, equal snapshots not at all", "[controller]"
) {
  Fixture fixture;
  for (int i = 0; i < 10; ++i) fixture.loop.request();
  REQUIRE(fixture.run_until_translated(1));
  REQUIRE(fixture.published.size() == 1);
  CHECK(fixture.published[0]->generation == 1);
  for (int i = 0; i < 10; ++i) fixture.loop.request();
  REQUIRE(fixture.run_until_translated(2));
  CHECK(fixture.published.size() == 1);
  CHECK(fixture.translations == 2);
}

TEST_CASE("PublishLoop: two snapshots are an interval apart", "[controller]") {
  Fixture fixture({.burst_interval = 50ms});
  const auto first = std::chrono::steady_clock::now();
  fixture.loop.request();
  REQUIRE(fixture.run_until_published(1));
  fixture.names["a.example.net"] = {"192.0.2.1"};
  fixture.add(kExternal);
  REQUIRE(fixture.run_until_published(2));
  CHECK(std::chrono::steady_clock::now() - first >= 50ms);
}

TEST_CASE("PublishLoop: the first snapshot waits for names", "[controller]") {
  Fixture fixture({.names_wait = 1h});
  fixture.add(kExternal);
  REQUIRE(fixture.run_until_translated(1));
  CHECK(fixture.published.empty());
  fixture.names["a.example.net"] = {"192.0.2.1"};
  fixture.loop.request();
  REQUIRE(fixture.run_until_published(1));
  CHECK(fixture.published[0]->pools[0]->status == routing::PoolStatus::kReady);
  // Later ones do not.
  fixture.names.clear();
  fixture.loop.request();
  REQUIRE(fixture.run_until_published(2));
  CHECK(fixture.published[1]->pools[0]->status == routing::PoolStatus::kNotResolved);
}

TEST_CASE("PublishLoop: but not for ever", "[controller]") {
  Fixture fixture({.names_wait = 1ms});
  fixture.add(kExternal);
  REQUIRE(fixture.run_until_published(1));
  CHECK(fixture.published[0]->pools[0]->status == routing::PoolStatus::kNotResolved);
}

TEST_CASE("PublishLoop: endpoints join others from the first snapshot on", "[controller]") {
  TranslateOptions options;
  options.config_map = ObjectKey{"default", "cppx"};
  Fixture fixture({.names_wait = 1h}, std::move(options));
  fixture.add(kExternal);
  fixture.add(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: cppx}, data: {upstream-slow-start: '30'}}"
  );
  const auto resolve = [&fixture](std::vector<std::string> addresses) {
    fixture.names["a.example.net"] = std::move(addresses);
    fixture.loop.request();
  };
  REQUIRE(fixture.run_until_translated(1));
  REQUIRE(fixture.published.empty());
  resolve({"192.0.2.1"});
  REQUIRE(fixture.run_until_published(1));
  CHECK(fixture.published[0]->pools[0]->joined.empty());
  const auto before = std::chrono::steady_clock::now();
  resolve({"192.0.2.1", "192.0.2.2"});
  REQUIRE(fixture.run_until_published(2));
  const routing::EndpointPool& pool = *fixture.published[1]->pools[0];
  REQUIRE(pool.joined.size() == 2);
  CHECK(pool.joined[0] == routing::kFromTheStart);
  CHECK(pool.joined[1] >= before);
  CHECK(pool.joined[1] <= std::chrono::steady_clock::now());
}

TEST_CASE("PublishLoop: diagnostics are those of the last translation", "[controller]") {
  Fixture fixture;
  fixture.names["a.example.net"] = {};
  fixture.add(kExternal);
  REQUIRE(fixture.run_until_translated(1));
  REQUIRE(fixture.loop.diagnostics()->size() == 1);
  CHECK(fixture.loop.diagnostics()->at(0).reason == "NameNotResolved");
  fixture.names["a.example.net"] = {"192.0.2.1"};
  fixture.loop.request();
  REQUIRE(fixture.run_until_published(2));
  CHECK(fixture.loop.diagnostics()->empty());
}

namespace {

std::string ingress(int number) {
  return fmt::format(
      R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: i{0}, annotations: {{kubernetes.io/ingress.class: cppx}}}}
spec:
  rules:
  - host: host-{0}.test
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}
---)",
      number
  );
}

constexpr std::string_view kService =
    "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}\n---\n";

/// What a change of endpoints asks the heap for, from the request to what was published.
std::size_t bytes_of_a_change(int ingresses) {
  Fixture fixture;
  std::string yaml(kService);
  yaml += test::endpoints_yaml("192.0.2.1");
  yaml += "---";
  for (int i = 0; i < ingresses; ++i) yaml += ingress(i);
  fixture.add(yaml);
  REQUIRE(fixture.run_until_published(1));
  REQUIRE(fixture.published[0]->listeners.front().routes->size() > std::size_t(ingresses));
  std::vector<Object> changed = test::objects_of(test::endpoints_yaml("192.0.2.2"));
  const std::size_t before = cppx::test::allocated_bytes();
  fixture.store.apply(std::move(changed.back()));
  fixture.loop.request();
  REQUIRE(fixture.run_until_published(2));
  return cppx::test::allocated_bytes() - before;
}

}  // namespace

TEST_CASE(
    "PublishLoop: a change of endpoints costs what it is, however many hosts there are",
    "[controller]"
) {
  const std::size_t few = bytes_of_a_change(50);
  const std::size_t many = bytes_of_a_change(1'050);
  CAPTURE(few, many);
  CHECK(few > 0);
  CHECK(many < few + few / 2);
}

}  // namespace cppx::controller
