#include "controller/status/status_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/model/decode.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

json ingress_json(const std::string& name, const std::string& class_name = "cppx") {
  return {
      {"apiVersion", "networking.k8s.io/v1"},
      {"kind", "Ingress"},
      {"metadata", {{"name", name}, {"namespace", "shop"}, {"annotations", {{"kept", "yes"}}}}},
      {"spec", {{"ingressClassName", class_name}}}
  };
}

/// A store, an API server with the same Ingresses, and the writer between them.
struct StatusSetup {
  explicit StatusSetup(StatusOptions given = {}) {
    given.least_delay = 1ms;
    given.most_delay = 4ms;
    client = ApiClient::create(io, plain_config(api.server.url())).value();
    writer = std::make_unique<StatusWriter>(
        *client, store, classes, tasks, [this] { return leads; }, given
    );
    IngressClass ours;
    ours.meta.key = {"", "cppx"};
    ours.controller = classes.controller_class;
    store.apply(ours);
    IngressClass foreign;
    foreign.meta.key = {"", "foreign"};
    foreign.controller = "example.test/other";
    store.apply(foreign);
  }
  ~StatusSetup() {
    tasks.cancel();
    CHECK(until([this] { return tasks.empty(); }));
  }
  StatusSetup(const StatusSetup&) = delete;
  StatusSetup& operator=(const StatusSetup&) = delete;

  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  bool settled() {
    return until([this] { return writer->idle(); });
  }
  /// As the source does: the writer first, then the store.
  void deliver(const std::string& name) {
    auto decoded = decode(api.object(kIngresses, "shop", name), "Ingress").value();
    writer->seen(std::get<Ingress>(decoded.front()));
    store.apply(std::move(decoded.front()));
  }
  void add(const std::string& name, const std::string& class_name = "cppx") {
    api.put(kIngresses, ingress_json(name, class_name));
    deliver(name);
  }
  [[nodiscard]] Addresses status(const std::string& name) const {
    return present_addresses(api.object(kIngresses, "shop", name));
  }
  void set_status(const std::string& name, const Addresses& addresses) {
    json object = api.object(kIngresses, "shop", name);
    object["status"]["loadBalancer"]["ingress"] = to_json(addresses);
    api.put(kIngresses, object);
  }
  [[nodiscard]] std::size_t writes() const { return api.count("PUT", "/status"); }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  Store store;
  ClassOptions classes;
  bool leads = true;
  TaskGroup tasks{io.get_executor()};
  std::unique_ptr<ApiClient> client;
  std::unique_ptr<StatusWriter> writer;
  const Addresses here{{.ip = "192.0.2.1", .hostname = {}}};
  const Addresses there{{.ip = {}, .hostname = "edge.test"}, {.ip = "192.0.2.2", .hostname = {}}};
};

}  // namespace

TEST_CASE("StatusWriter: writes where the Ingresses of our classes are served", "[controller]") {
  StatusSetup test;
  test.add("web");
  test.add("other", "foreign");
  test.add("lost", "no-such-class");
  CHECK(test.writer->idle());  // Nothing is known yet.
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.status("web") == test.here);
  CHECK(test.status("other").empty());
  CHECK(test.status("lost").empty());
  CHECK(test.writes() == 1);
  const json object = test.api.object(kIngresses, "shop", "web");
  CHECK(object["metadata"]["annotations"]["kept"] == "yes");

  test.add("late");
  REQUIRE(test.settled());
  CHECK(test.status("late") == test.here);
  test.writer->set_addresses(test.there);
  REQUIRE(test.settled());
  CHECK(test.status("web") == test.there);
  CHECK(test.status("late") == test.there);
  CHECK(test.writes() == 4);
  CHECK(test.writer->counters().written == 4);
  CHECK(test.writer->counters().failed == 0);
}

TEST_CASE(
    "StatusWriter: what is told on the control thread comes before the store has it", "[controller]"
) {
  StatusSetup test;
  test.writer->set_addresses(test.here);
  boost::asio::post(test.io, [&test] {
    test.add("other", "foreign");
    test.add("web");
  });
  REQUIRE(test.until([&] { return test.status("web") == test.here; }));
  REQUIRE(test.settled());
  CHECK(test.status("other").empty());
}

TEST_CASE("StatusWriter: what is right already is not written", "[controller]") {
  StatusSetup test;
  test.api.put(kIngresses, ingress_json("web"));
  // In another order, and one of them twice.
  test.set_status("web", {test.there[1], test.there[0], test.there[1]});
  test.deliver("web");
  test.writer->set_addresses(test.there);
  REQUIRE(test.settled());
  test.writer->look_at_all();
  REQUIRE(test.settled());
  CHECK(test.api.server.requests.empty());
}

TEST_CASE("StatusWriter: puts back what somebody else has changed", "[controller]") {
  StatusSetup test;
  test.add("web");
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  test.set_status("web", test.there);
  test.deliver("web");
  REQUIRE(test.settled());
  CHECK(test.status("web") == test.here);
  CHECK(test.writes() == 2);

  SECTION("but does not fight for ever") {
    for (int i = 0; i < 20; ++i) {
      test.set_status("web", test.there);
      test.deliver("web");
      REQUIRE(test.settled());
    }
    CHECK(test.writes() == 5);
    CHECK(test.status("web") == test.there);
    test.writer->look_at_all();
    REQUIRE(test.settled());
    CHECK(test.status("web") == test.here);
  }
  SECTION("and is not misled by what is out of date") {
    test.deliver("web");
    json old = test.api.object(kIngresses, "shop", "web");
    old["status"] = json::object();
    auto decoded = decode(old, "Ingress").value();
    test.writer->seen(std::get<Ingress>(decoded.front()));
    REQUIRE(test.settled());
    CHECK(test.writes() == 2);
  }
}

TEST_CASE("StatusWriter: who does not lead writes nothing", "[controller]") {
  StatusSetup test;
  test.leads = false;
  test.add("web");
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.api.server.requests.empty());
  test.leads = true;
  test.writer->look_at_all();
  REQUIRE(test.settled());
  CHECK(test.status("web") == test.here);
}

TEST_CASE("StatusWriter: who leads no more stops between reading and writing", "[controller]") {
  StatusSetup test;
  test.add("web");
  // The answer to the GET is on its way when the time is over.
  test.api.before_read = [&](const FakeRequest&) { test.leads = false; };
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.api.count("GET", "/ingresses/web") == 1);
  CHECK(test.writes() == 0);
  CHECK(test.status("web").empty());
}

TEST_CASE("StatusWriter: a conflict is read again and written again", "[controller]") {
  StatusSetup test;
  test.add("web");
  test.api.before_write = [&](const FakeRequest&) {
    test.api.before_write = nullptr;
    json object = test.api.object(kIngresses, "shop", "web");
    object["metadata"]["annotations"]["kept"] = "changed";
    test.api.put(kIngresses, object);
  };
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.writes() == 2);
  CHECK(test.status("web") == test.here);
  CHECK(test.api.object(kIngresses, "shop", "web")["metadata"]["annotations"]["kept"] == "changed");
}

TEST_CASE("StatusWriter: failures are tried again, each for itself", "[controller]") {
  StatusSetup test;
  test.add("bad");
  test.add("web");
  test.api.overrides["/ingresses/bad"] = FakeReply{500, {}, FakeKubeApi::status(500, "oh").dump()};
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.status("web") == test.here);
  CHECK(test.api.count("GET", "/ingresses/bad") == 5);
  CHECK(test.writer->counters().failed == 5);
  test.api.overrides.clear();
  test.writer->look_at_all();
  REQUIRE(test.settled());
  CHECK(test.status("bad") == test.here);
}

TEST_CASE("StatusWriter: one that was deleted or has left our classes is let go", "[controller]") {
  StatusSetup test;
  test.add("gone");
  test.add("left");
  test.api.remove(kIngresses, "shop", "gone");
  // The store does not know of it yet.
  test.api.put(kIngresses, ingress_json("left", "foreign"));
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.writes() == 0);
  CHECK(test.writer->counters().failed == 0);
  test.writer->removed({"shop", "gone"});
  const auto asked = test.api.server.requests.size();
  test.writer->listed("shop", {});
  test.writer->look_at_all();
  REQUIRE(test.settled());
  CHECK(test.api.server.requests.size() == asked);
}

TEST_CASE("StatusWriter: many are written a few at a time", "[controller]") {
  StatusSetup test;
  constexpr int kCount = 40;
  for (int i = 0; i < kCount; ++i) test.add(fmt::format("web-{}", i));
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  CHECK(test.writes() == kCount);
  CHECK(test.api.server.connections <= 5);
}

TEST_CASE("StatusWriter: an empty status takes away what was there", "[controller]") {
  StatusSetup test;
  test.add("web");
  test.writer->set_addresses(test.here);
  REQUIRE(test.settled());
  test.writer->set_addresses({});
  REQUIRE(test.settled());
  CHECK(test.status("web").empty());
}

}  // namespace cppx::controller::test
