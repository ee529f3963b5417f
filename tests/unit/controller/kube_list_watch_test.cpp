#include <memory>
#include <random>
#include <set>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/kube/reflector.h"
#include "controller/kube/task_group.h"
#include "tests/unit/controller/fake_kube_api.h"
#include "tests/unit/controller/kube_support.h"
#include "tests/unit/controller/reflector_setup.h"

namespace cppx::controller::test {
namespace {

using Setup = ReflectorSetup;

TEST_CASE("ListWatch: a list in pages arrives as one replacement", "[controller]") {
  Setup test;
  for (int i = 0; i < 8; ++i) test.put("web-" + std::to_string(i));
  test.start();
  REQUIRE(test.until([&] { return test.reflector.state().listed; }));
  CHECK(test.sink.replaces == 1);
  CHECK(test.sink.count(Kind::kService) == 8);
  REQUIRE(test.api.server.requests.size() >= 3);
  CHECK(test.api.server.requests[0].target == "/api/v1/services?limit=3");
  CHECK(test.api.server.requests[2].target.find("continue=108.shop%2Fweb-5") != std::string::npos);
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  const std::string watch = test.api.server.requests.back().target;
  CHECK(watch.find("allowWatchBookmarks=true") != std::string::npos);
  CHECK(watch.find("resourceVersion=108&") != std::string::npos);
}

TEST_CASE("ListWatch: pages that are too old are asked for again, all at once", "[controller]") {
  Setup test;
  for (int i = 0; i < 5; ++i) test.put("web-" + std::to_string(i));
  bool once = true;
  test.api.after_page = [&] {
    if (!once) return;
    once = false;
    test.put("late");
    test.api.compact();
  };
  test.start();
  REQUIRE(test.until([&] { return test.reflector.state().listed; }));
  CHECK(test.sink.replaces == 1);
  CHECK(test.sink.count(Kind::kService) == 6);
  CHECK(test.api.server.requests[2].target == "/api/v1/services");
}

TEST_CASE("ListWatch: additions, changes and deletions come by the watch", "[controller]") {
  Setup test;
  test.put("old");
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.put("new");
  REQUIRE(test.until([&] { return test.has("new"); }));
  test.put("old");
  const std::string version = std::to_string(test.api.revision());
  REQUIRE(test.until([&] { return test.sink.version_of(Kind::kService, "shop", "old") == version; })
  );
  test.api.remove(kServices, "shop", "new");
  REQUIRE(test.until([&] { return !test.has("new"); }));
  CHECK(test.has("old"));
  CHECK(test.sink.replaces == 1);
}

TEST_CASE("ListWatch: a watch that ends goes on from the last bookmark", "[controller]") {
  Setup test;
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  // The revision moves on by things that this watch never sees.
  test.api.put("/api/v1/secrets", secret_json("shop", "other", "Opaque"));
  test.api.bookmark(kServices);
  const std::string bookmark = std::to_string(test.api.revision());
  test.put("mark");
  REQUIRE(test.until([&] { return test.has("mark"); }));
  test.api.server.end_held();
  REQUIRE(test.until([&] { return test.api.watches(kServices) == 2; }));
  const std::string last = test.api.server.requests.back().target;
  CHECK(
      last.find("resourceVersion=" + std::to_string(test.api.revision()) + "&") != std::string::npos
  );
  CHECK(test.api.lists(kServices) == 1);
  CHECK(bookmark != std::to_string(test.api.revision()));
}

TEST_CASE("ListWatch: a bookmark alone moves the version on", "[controller]") {
  Setup test;
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.put("/api/v1/secrets", secret_json("shop", "other", "Opaque"));
  test.api.bookmark(kServices);
  test.api.server.end_held();
  REQUIRE(test.until([&] { return test.api.watches(kServices) == 2; }));
  const std::string expected = "resourceVersion=" + std::to_string(test.api.revision()) + "&";
  CHECK(test.api.server.requests.back().target.find(expected) != std::string::npos);
}

TEST_CASE("ListWatch: a watch cut in the middle of an object loses nothing", "[controller]") {
  Setup test;
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  auto object = service_json("shop", "half");
  object["metadata"]["resourceVersion"] = "101";
  const std::string line = FakeKubeApi::event_line("ADDED", object);
  test.api.server.push("watch=1", line.substr(0, line.size() / 2));
  test.put("meanwhile");
  test.api.server.break_connections();
  REQUIRE(test.until([&] { return test.has("meanwhile"); }));
  CHECK_FALSE(test.has("half"));
  CHECK(test.api.lists(kServices) == 1);
}

TEST_CASE("ListWatch: 410 in answer to a watch makes it list again", "[controller]") {
  Setup test;
  test.put("kept");
  test.put("gone");
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  // While the watch is away, something happens and is forgotten.
  test.api.overrides["watch=1"] = FakeReply{503, {}, "", FakeReply::End::kClose, false};
  test.api.server.break_connections();
  test.api.remove(kServices, "shop", "gone");
  test.put("new");
  test.api.compact();
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has("new") && !test.has("gone"); }));
  CHECK(test.has("kept"));
  CHECK(test.api.lists(kServices) == 2);
}

TEST_CASE("ListWatch: an ERROR event with 410 makes it list again", "[controller]") {
  Setup test;
  test.put("kept");
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.server.push(
      "watch=1",
      FakeKubeApi::event_line("ERROR", FakeKubeApi::status(410, "too old resource version"))
  );
  REQUIRE(test.until([&] { return test.api.lists(kServices) == 2; }));
  REQUIRE(test.until([&] { return test.sink.replaces == 2; }));
  CHECK(test.has("kept"));
}

TEST_CASE(
    "ListWatch: other ERROR events resume the watch, and list when they go on", "[controller]"
) {
  Setup test;
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.server.push(
      "watch=1", FakeKubeApi::event_line("ERROR", FakeKubeApi::status(500, "etcd is not well"))
  );
  REQUIRE(test.until([&] { return test.api.watches(kServices) == 2; }));
  CHECK(test.api.lists(kServices) == 1);
  const std::string too_large = FakeKubeApi::status(504, "Too large resource version").dump();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.overrides["watch=1"] = FakeReply{504, {}, too_large};
  test.api.server.end_held();
  REQUIRE(test.until([&] { return test.api.lists(kServices) == 2; }));
}

TEST_CASE("ListWatch: nothing is lost or dropped while the server is gone", "[controller]") {
  Setup test;
  test.put("one");
  test.put("two");
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.server.stop();
  REQUIRE(test.until([&] { return !test.reflector.state().error.empty(); }));
  CHECK(test.reflector.state().listed);
  CHECK(test.sink.count(Kind::kService) == 2);
  CHECK(test.sink.removals == 0);
  test.put("three");
  test.api.remove(kServices, "shop", "one");
  test.api.server.start();
  REQUIRE(test.until([&] { return test.has("three") && !test.has("one"); }));
  CHECK(test.has("two"));
  CHECK(test.sink.replaces == 1);
  CHECK(test.reflector.state().error.empty());
}

TEST_CASE("ListWatch: a server that is not there yet is waited for", "[controller]") {
  Setup test;
  test.put("one");
  test.api.server.stop();
  test.start();
  REQUIRE(test.until([&] { return !test.reflector.state().error.empty(); }));
  CHECK(test.reflector.state().error.starts_with("list of Services: connect to 127.0.0.1:"));
  CHECK(test.reflector.state().error.ends_with("Connection refused"));
  test.api.server.start();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(test.reflector.state().error.empty());
}

TEST_CASE("ListWatch: Retry-After of a 429 is kept to", "[controller]") {
  Setup test;
  test.put("one");
  FakeReply busy{429, {{"Retry-After", "1"}}, FakeKubeApi::status(429, "slow down").dump()};
  test.api.overrides["/services"] = busy;
  const auto begun = std::chrono::steady_clock::now();
  test.start();
  REQUIRE(test.until([&] { return !test.reflector.state().error.empty(); }));
  CHECK(test.reflector.state().error == "list of Services: 429 Too Many Requests: slow down");
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::seconds(1));
  CHECK(test.api.lists(kServices) == 2);
}

TEST_CASE("ListWatch: a refused list is reported once and tried again", "[controller]") {
  Setup test;
  test.put("one");
  const std::string message = "services is forbidden: User \"cppx\" cannot list resource";
  test.api.overrides["/services"] = FakeReply{403, {}, FakeKubeApi::status(403, message).dump()};
  test.start();
  REQUIRE(test.until([&] { return test.api.lists(kServices) >= 3; }));
  CHECK(test.reflector.state().refused);
  CHECK(test.reflector.state().error == "list of Services: 403 Forbidden: " + message);
  CHECK(test.state_changes == 1);
  test.api.overrides.clear();
  REQUIRE(test.until([&] { return test.has("one"); }));
  CHECK_FALSE(test.reflector.state().refused);
}

TEST_CASE("ListWatch: lines that are no events are left out", "[controller]") {
  Setup test;
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  const std::vector<std::string> lines = {
      "{\"type\":\"ADDED\",\"object\":{\"metadata\":\n",
      "null\n",
      "[]\n",
      "\n",
      "{}\n",
      "{\"type\":\"ADDED\"}\n",
      "{\"type\":7,\"object\":{}}\n",
      "{\"type\":\"NEWS\",\"object\":{}}\n",
      "{\"type\":\"ADDED\",\"object\":{}}\n",
      "{\"type\":\"DELETED\",\"object\":{\"metadata\":[]}}\n",
  };
  for (const std::string& line : lines) test.api.server.push("watch=1", line);
  test.put("good");
  REQUIRE(test.until([&] { return test.has("good"); }));
  CHECK(test.sink.count(Kind::kService) == 1);
  CHECK(test.api.watches(kServices) == 1);
}

TEST_CASE("ListWatch: an object that cannot be decoded keeps its last good state", "[controller]") {
  Setup test;
  test.put("web");
  const std::string version = std::to_string(test.api.revision());
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  auto broken = service_json("shop", "web");
  broken["spec"]["ports"] = "none";
  test.api.put(kServices, broken);
  test.put("other");
  REQUIRE(test.until([&] { return test.has("other"); }));
  CHECK(test.sink.version_of(Kind::kService, "shop", "web") == version);
}

TEST_CASE("ListWatch: a namespace is followed by itself", "[controller]") {
  Setup test(quick_list_watch(), "shop");
  test.put("mine");
  test.api.put(kServices, service_json("bank", "theirs"));
  test.start();
  REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  test.api.put(kServices, service_json("bank", "later"));
  test.put("new");
  REQUIRE(test.until([&] { return test.has("new"); }));
  CHECK(test.sink.count(Kind::kService) == 2);
  CHECK(test.api.server.requests[0].target == "/api/v1/namespaces/shop/services?limit=3");
}

TEST_CASE("ListWatch: a silent watch is given up at its deadline", "[controller]") {
  auto options = quick_list_watch();
  options.watch_timeout = std::chrono::seconds(0);
  options.watch_grace = std::chrono::milliseconds(100);
  Setup test(options);
  test.start();
  REQUIRE(test.until([&] { return test.api.watches(kServices) == 3; }));
  CHECK(test.api.lists(kServices) == 1);
}

TEST_CASE("ListWatch: cancelling ends it wherever it is", "[controller]") {
  SECTION("in a watch") {
    Setup test;
    test.start();
    REQUIRE(test.until([&] { return test.api.server.held("watch=1") == 1; }));
  }
  SECTION("in a list") {
    Setup test;
    test.api.overrides["/services"] = FakeReply{200, {}, "", FakeReply::End::kSilent, false};
    test.start();
    REQUIRE(test.until([&] { return test.api.server.requests.size() == 1; }));
  }
  SECTION("in a pause") {
    auto options = quick_list_watch();
    options.least_delay = options.most_delay = std::chrono::hours(1);
    Setup test(options);
    test.api.server.stop();
    test.start();
    REQUIRE(test.until([&] { return !test.reflector.state().error.empty(); }));
  }
  SECTION("before it began") {
    Setup test;
    test.start();
    CHECK_FALSE(test.tasks.empty());
  }
}

TEST_CASE(
    "ListWatch: ends up with what the server has, whatever happens on the way", "[controller]"
) {
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    auto options = quick_list_watch();
    options.streaming_lists = seed % 2 == 0;
    Setup test(options);
    std::minstd_rand random(seed);
    std::set<std::string> there;
    test.start();
    for (int step = 0; step < 250; ++step) {
      const std::string name = "web-" + std::to_string(random() % 12);
      switch (random() % 12) {
        case 0:
          test.api.server.break_connections();
          break;
        case 1:
          test.api.server.end_held();
          break;
        case 2:
          test.api.compact();
          break;
        case 3:
          test.api.server.stop();
          test.io.poll();
          test.api.server.start();
          break;
        case 4:
        case 5:
        case 6:
          if (there.erase(name) > 0) test.api.remove(kServices, "shop", name);
          break;
        default:
          there.insert(name);
          test.put(name);
      }
      for (unsigned turns = random() % 8; turns > 0; --turns)
        test.io.run_one_for(std::chrono::milliseconds(1));
    }
    test.put("last");
    there.insert("last");
    CAPTURE(seed);
    REQUIRE(test.until([&] { return test.has("last"); }));
    CHECK(test.sink.count(Kind::kService) == there.size());
    for (const std::string& name : there) CHECK(test.has(name));
  }
}

}  // namespace
}  // namespace cppx::controller::test
