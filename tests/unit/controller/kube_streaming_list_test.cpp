#include <algorithm>
#include <chrono>
#include <memory>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/kube/reflector.h"
#include "controller/kube/task_group.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"
#include "tests/unit/controller/reflector_setup.h"

namespace cppx::controller::test {
namespace {

constexpr const char* kStream = "sendInitialEvents=true";

ListWatchOptions streaming() {
  auto options = quick_list_watch();
  options.streaming_lists = true;
  return options;
}

/// Asks for streamed lists.
struct StreamingSetup : ReflectorSetup {
  explicit StreamingSetup(
      ListWatchOptions options = streaming(), ApiClientOptions client_options = {}
  )
      : ReflectorSetup(options, {}, client_options) {}

  std::size_t streams() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        api.server.requests,
        [](const FakeRequest& request) { return request.target.find(kStream) != std::string::npos; }
    ));
  }
};

}  // namespace

TEST_CASE("ListWatch: a streamed list is one replacement and goes on as a watch", "[controller]") {
  StreamingSetup test;
  for (int i = 0; i < 8; ++i) test.put("web-" + std::to_string(i));
  test.start();
  REQUIRE(test.until([&] { return test.reflector.state().listed; }));
  CHECK(test.sink.replaces == 1);
  CHECK(test.sink.upserts == 0);
  CHECK(test.sink.count(Kind::kService) == 8);
  test.put("late");
  REQUIRE(test.until([&] { return test.has("late"); }));
  REQUIRE(test.api.server.requests.size() == 1);
  const std::string& target = test.api.server.requests[0].target;
  CHECK(target.starts_with(
      "/api/v1/services?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
      "&allowWatchBookmarks=true&timeoutSeconds="
  ));
  CHECK(target.find("resourceVersion=") == std::string::npos);
}

TEST_CASE("ListWatch: nothing of a streamed list counts before its end", "[controller]") {
  StreamingSetup test;
  test.api.ends_initial_events = false;
  test.put("one");
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held(kStream) == 1; }));
  // An ordinary bookmark in between would be a mistake of the server, not an end.
  CHECK_FALSE(test.reflector.state().listed);
  test.api.server.break_connections();
  REQUIRE(test.until([&] { return test.streams() == 2 && test.api.server.held(kStream) == 1; }));
  CHECK(test.sink.replaces == 0);
  test.api.end_initial_events(kServices);
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(test.sink.replaces == 1);
  CHECK(test.client->may_stream_lists());
}

TEST_CASE("ListWatch: a broken watch that began as a streamed list is resumed", "[controller]") {
  StreamingSetup test;
  test.put("one");
  test.start();
  REQUIRE(test.until([&] { return test.reflector.state().listed; }));
  const std::string version = std::to_string(test.api.revision());
  test.api.server.break_connections();
  test.put("two");
  REQUIRE(test.until([&] { return test.has("two"); }));
  CHECK(test.streams() == 1);
  CHECK(test.sink.replaces == 1);
  CHECK(
      test.api.server.requests.back().target.find("&resourceVersion=" + version + "&") !=
      std::string::npos
  );
}

TEST_CASE("ListWatch: a server without streaming lists is asked once", "[controller]") {
  StreamingSetup test;
  test.put("one");
  SECTION("422") { test.api.streams = false; }
  SECTION("400") {
    test.api.overrides[kStream] = FakeReply{400, {}, FakeKubeApi::status(400, "no").dump()};
  }
  SECTION("an ERROR event, of an etcd that is too old") {
    const std::string message =
        "a watch stream was requested by the client but the required storage feature "
        "RequestWatchProgress is disabled";
    FakeReply reply;
    reply.body = FakeKubeApi::event_line("ERROR", FakeKubeApi::status(500, message));
    reply.chunked = true;
    test.api.overrides[kStream] = reply;
  }
  test.start();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK_FALSE(test.client->may_stream_lists());
  CHECK(test.streams() == 1);
  // Not asked again, whatever happens later.
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.compact();
  test.api.server.push(
      "watch=1", FakeKubeApi::event_line("ERROR", FakeKubeApi::status(410, "too old"))
  );
  REQUIRE(test.until([&] { return test.sink.replaces == 2; }));
  CHECK(test.streams() == 1);
}

TEST_CASE("ListWatch: streams that never become complete give way to pages", "[controller]") {
  auto options = streaming();
  options.list_progress = std::chrono::milliseconds(50);
  StreamingSetup test(options);
  test.api.ends_initial_events = false;
  test.put("one");
  test.start();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(test.streams() == 2);
  CHECK(test.api.lists(kServices) == 1);
}

TEST_CASE("ListWatch: a server that does not answer may stream lists later", "[controller]") {
  ApiClientOptions impatient;
  impatient.request_timeout = std::chrono::milliseconds(20);
  StreamingSetup test(streaming(), impatient);
  test.put("one");
  test.api.overrides[kStream] = FakeReply{200, {}, "", FakeReply::End::kSilent, false};
  test.start();
  REQUIRE(test.until([&] { return test.streams() >= 4; }));
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(test.client->may_stream_lists());
}

TEST_CASE("ListWatch: an outage says nothing about streaming lists", "[controller]") {
  StreamingSetup test;
  test.put("one");
  test.api.overrides[kStream] = FakeReply{500, {}, FakeKubeApi::status(500, "no").dump()};
  test.start();
  REQUIRE(test.until([&] { return test.streams() >= 4; }));
  test.api.server.stop();
  test.io.run_for(std::chrono::milliseconds(30));
  test.api.overrides.clear();
  test.api.server.start();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(test.client->may_stream_lists());
  CHECK(test.api.lists(kServices) == 0);
}

TEST_CASE(
    "ListWatch: a right that is withdrawn later changes nothing but the state", "[controller]"
) {
  StreamingSetup test;
  test.put("one");
  test.start();
  REQUIRE(test.until([&] { return test.reflector.state().listed; }));
  const auto seen = test.api.server.requests.size();
  test.api.overrides["/services"] = FakeReply{403, {}, FakeKubeApi::status(403, "no").dump()};
  test.api.server.break_connections();
  REQUIRE(test.until([&] { return test.api.server.requests.size() >= seen + 8; }));
  CHECK(test.reflector.state().error == "watch of Services: 403 Forbidden: no");
  CHECK(test.reflector.state().listed);
  CHECK(test.has("one"));
  CHECK(test.streams() == 1);
  test.api.overrides.clear();
  test.put("two");
  REQUIRE(test.until([&] { return test.has("two"); }));
  CHECK(test.reflector.state().error.empty());
  CHECK(test.sink.replaces == 1);
}

}  // namespace cppx::controller::test
