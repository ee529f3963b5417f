#include "controller/events/event_recorder.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/events/event.h"
#include "controller/events/event_limits.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kEvents = "/api/v1/events";

EventNote note(const std::string& name, const std::string& message = "no endpoint is ready") {
  EventNote made;
  made.object = {"shop", name};
  made.uid = "uid-" + name;
  made.resource_version = "7";
  made.type = EventType::kWarning;
  made.reason = "NoEndpoints";
  made.message = message;
  return made;
}

struct RecorderSetup {
  explicit RecorderSetup(EventOptions given = {}) {
    given.least_delay = 1ms;
    given.most_delay = 4ms;
    given.origin.instance = "pod-1";
    client = ApiClient::create(io, plain_config(api.server.url())).value();
    recorder = std::make_unique<EventRecorder>(*client, [this] { return leads; }, given);
    tasks.spawn(recorder->run());
  }
  ~RecorderSetup() {
    tasks.cancel();
    CHECK(until([this] { return tasks.empty(); }));
  }
  RecorderSetup(const RecorderSetup&) = delete;
  RecorderSetup& operator=(const RecorderSetup&) = delete;

  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
  bool sent(std::uint64_t count) {
    return until([&] { return recorder->counters().sent == count; });
  }
  [[nodiscard]] json event(const EventNote& of) const {
    return api.object(kEvents, event_namespace(of), event_name(of));
  }

  boost::asio::io_context io{1};
  FakeKubeApi api{io};
  bool leads = true;
  TaskGroup tasks{io.get_executor()};
  std::unique_ptr<ApiClient> client;
  std::unique_ptr<EventRecorder> recorder;
};

}  // namespace

TEST_CASE(
    "EventRecorder: an Event says what, about which object, and who says it", "[controller]"
) {
  RecorderSetup test;
  test.recorder->record(note("web"));
  REQUIRE(test.sent(1));
  const json event = test.event(note("web"));
  REQUIRE(event.is_object());
  CHECK(
      event["involvedObject"] ==
      json{
          {"apiVersion", "networking.k8s.io/v1"},
          {"kind", "Ingress"},
          {"namespace", "shop"},
          {"name", "web"},
          {"uid", "uid-web"},
          {"resourceVersion", "7"}
      }
  );
  CHECK(event["type"] == "Warning");
  CHECK(event["reason"] == "NoEndpoints");
  CHECK(event["message"] == "no endpoint is ready");
  CHECK(event["count"] == 1);
  CHECK(event["source"] == json{{"component", "cppx"}, {"host", "pod-1"}});
  CHECK(event["firstTimestamp"] == event["lastTimestamp"]);
  CHECK(event["firstTimestamp"].get<std::string>().size() == 20);
}

TEST_CASE(
    "EventRecorder: the same again counts up, something else is another Event", "[controller]"
) {
  RecorderSetup test;
  for (int i = 0; i < 3; ++i) test.recorder->record(note("web"));
  test.recorder->record(note("web", "something else"));
  test.recorder->record(note("api"));
  REQUIRE(test.sent(5));
  CHECK(test.event(note("web"))["count"] == 3);
  CHECK(test.event(note("web", "something else"))["count"] == 1);
  CHECK(test.event(note("api"))["count"] == 1);
  CHECK(test.api.count("POST", "/events") == 3);
  CHECK(test.api.count("PATCH", "/events") == 2);
}

TEST_CASE("EventRecorder: goes on counting what the leader before began", "[controller]") {
  RecorderSetup test;
  test.recorder->record(note("web"));
  REQUIRE(test.sent(1));
  EventRecorder next(*test.client, [] { return true; }, {});
  test.tasks.spawn(next.run());
  next.record(note("web"));
  REQUIRE(test.until([&] { return next.counters().sent == 1; }));
  CHECK(test.event(note("web"))["count"] == 2);
  next.record(note("web"));
  REQUIRE(test.until([&] { return next.counters().sent == 2; }));
  CHECK(test.event(note("web"))["count"] == 3);
  test.tasks.cancel();
  REQUIRE(test.until([&] { return test.tasks.empty(); }));
}

TEST_CASE("EventRecorder: an Event that has expired is made anew", "[controller]") {
  RecorderSetup test;
  test.recorder->record(note("web"));
  REQUIRE(test.sent(1));
  test.api.remove(kEvents, "shop", event_name(note("web")));
  test.recorder->record(note("web"));
  REQUIRE(test.sent(2));
  CHECK(test.event(note("web"))["count"] == 1);
}

TEST_CASE("EventRecorder: one object may not say everything", "[controller]") {
  RecorderSetup test;
  for (int i = 0; i < 40; ++i) test.recorder->record(note("loud", fmt::format("number {}", i)));
  test.recorder->record(note("quiet"));
  REQUIRE(test.sent(26));
  CHECK(test.recorder->counters().dropped == 15);
  CHECK(test.event(note("quiet")).is_object());
}

TEST_CASE("EventRecorder: all together may not either, and wait for their turn", "[controller]") {
  EventOptions options;
  options.of_all = {5, 1ms};
  options.longest_queue = 20;
  RecorderSetup test(options);
  for (int i = 0; i < 30; ++i) test.recorder->record(note(fmt::format("web-{}", i)));
  CHECK(test.recorder->queued() == 20);
  CHECK(test.recorder->counters().dropped == 10);
  REQUIRE(test.sent(20));
  CHECK(test.recorder->queued() == 0);
}

TEST_CASE("EventRecorder: what cannot be sent is dropped, and the next goes out", "[controller]") {
  RecorderSetup test;
  const FakeReply away{503, {}, FakeKubeApi::status(503, "away").dump()};
  const FakeReply refused{403, {}, FakeKubeApi::status(403, "no").dump()};
  test.api.overrides["/events"] = away;
  test.recorder->record(note("web"));
  REQUIRE(test.until([&] { return test.recorder->counters().dropped == 1; }));
  CHECK(test.api.count("POST", "/events") == 4);
  test.api.overrides["/events"] = refused;
  test.recorder->record(note("web"));
  REQUIRE(test.until([&] { return test.recorder->counters().dropped == 2; }));
  CHECK(test.api.count("POST", "/events") == 5);
  test.api.overrides.clear();
  test.recorder->record(note("web"));
  REQUIRE(test.sent(1));
}

TEST_CASE("EventRecorder: who does not lead says nothing", "[controller]") {
  RecorderSetup test;
  test.leads = false;
  test.recorder->record(note("web"));
  CHECK(test.recorder->queued() == 0);
  CHECK(test.recorder->counters().dropped == 0);
  test.leads = true;
  test.recorder->record(note("web"));
  // Its time ends while the Event waits.
  test.leads = false;
  REQUIRE(test.until([&] { return test.recorder->counters().dropped == 1; }));
  CHECK(test.api.server.requests.empty());
}

TEST_CASE("event_object: hostile and odd notes make Events that a server takes", "[controller]") {
  EventNote odd = note(std::string(253, 'n'), std::string(1023, 'x') + "\xC3\xA9\xC3\xA9");
  odd.uid.clear();
  const json event = event_object(odd, {}, {});
  const auto message = event["message"].get<std::string>();
  CHECK(message.size() <= 1024);
  CHECK(message.ends_with("x..."));
  CHECK(event["metadata"]["name"].get<std::string>().size() <= 253);
  CHECK_FALSE(event["involvedObject"].contains("uid"));

  EventNote accent = note("web", std::string(1020, 'x') + "\xC3\xA9" + std::string(10, 'y'));
  CHECK(event_object(accent, {}, {})["message"] == std::string(1020, 'x') + "...");

  EventNote cluster = note("cppx");
  cluster.kind = Kind::kIngressClass;
  cluster.object.ns.clear();
  CHECK(event_namespace(cluster) == "default");
  CHECK_FALSE(event_object(cluster, {}, {})["involvedObject"].contains("namespace"));
  cluster.kind = Kind::kService;
  CHECK(event_object(cluster, {}, {})["involvedObject"]["apiVersion"] == "v1");
}

TEST_CASE("TokenBucket: a burst, and then one each time", "[controller]") {
  const TokenBucket::Time start{};
  TokenBucket bucket({2, 100ms}, start);
  CHECK(bucket.take(start));
  CHECK(bucket.take(start));
  CHECK_FALSE(bucket.take(start));
  CHECK(bucket.next(start) == start + 100ms);
  CHECK_FALSE(bucket.take(start + 99ms));
  CHECK(bucket.take(start + 101ms));
  CHECK_FALSE(bucket.full(start + 150ms));
  CHECK(bucket.full(start + 400ms));
  CHECK(bucket.take(start + 1h));
  CHECK(bucket.take(start + 1h));
  CHECK_FALSE(bucket.take(start + 1h));
}

TEST_CASE("EventLimits: 25 for each object, then one in five minutes", "[controller]") {
  EventLimits limits;
  const TokenBucket::Time start{};
  for (int i = 0; i < 25; ++i) CHECK(limits.allow(Kind::kIngress, {"shop", "web"}, start));
  CHECK_FALSE(limits.allow(Kind::kIngress, {"shop", "web"}, start));
  CHECK(limits.allow(Kind::kService, {"shop", "web"}, start));
  CHECK_FALSE(limits.allow(Kind::kIngress, {"shop", "web"}, start + 4min));
  CHECK(limits.allow(Kind::kIngress, {"shop", "web"}, start + 5min + 1s));
  CHECK_FALSE(limits.allow(Kind::kIngress, {"shop", "web"}, start + 5min + 1s));
  // However many objects there are, the newest is heard.
  for (int i = 0; i < 10'000; ++i)
    CHECK(limits.allow(Kind::kIngress, {"shop", std::to_string(i)}, start + 6min));
}

}  // namespace cppx::controller::test
