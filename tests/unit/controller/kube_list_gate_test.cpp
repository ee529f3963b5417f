#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "controller/kube/json_text.h"
#include "controller/kube/list_gate.h"
#include "controller/kube/task_group.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;

struct Visitors {
  /// Enters, says so, and stays until told to leave.
  Task<void> visit(int number) {
    auto pass = co_await gate.enter();
    entered.push_back(number);
    boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer(io.get_executor());
    while (left < number) {
      timer.expires_after(1ms);
      const auto waited = co_await timer.async_wait(kAsTuple);
      static_cast<void>(waited);
    }
  }
  bool until(const std::function<bool()>& condition) { return run_until(io, condition); }

  boost::asio::io_context io{1};
  ListGate gate{io.get_executor(), 2};
  std::vector<int> entered;
  int left = 0;  ///< Visitors up to this number may leave.
  TaskGroup tasks{io.get_executor()};
};

}  // namespace

TEST_CASE("ListGate: lets two in at a time, in order", "[controller]") {
  Visitors test;
  for (int number = 1; number <= 5; ++number) test.tasks.spawn(test.visit(number));
  REQUIRE(test.until([&] { return test.entered.size() == 2; }));
  test.io.run_for(5ms);
  CHECK(test.gate.inside() == 2);
  CHECK(test.entered.size() == 2);
  test.left = 1;
  REQUIRE(test.until([&] { return test.entered.size() == 3; }));
  test.left = 5;
  REQUIRE(test.until([&] { return test.tasks.empty(); }));
  CHECK(test.entered == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(test.gate.inside() == 0);
}

TEST_CASE("ListGate: nobody enters before the time the server asked for", "[controller]") {
  Visitors test;
  test.left = 5;
  const auto until = ListGate::Clock::now() + 50ms;
  test.gate.hold_until(until);
  for (int number = 1; number <= 3; ++number) test.tasks.spawn(test.visit(number));
  REQUIRE(test.until([&] { return !test.entered.empty(); }));
  CHECK(ListGate::Clock::now() >= until);
  REQUIRE(test.until([&] { return test.tasks.empty(); }));
  CHECK(test.entered.size() == 3);
}

TEST_CASE("ListGate: those that are cancelled leave their places", "[controller]") {
  Visitors test;
  TaskGroup others(test.io.get_executor());
  others.spawn(test.visit(1));
  others.spawn(test.visit(2));
  others.spawn(test.visit(3));
  test.tasks.spawn(test.visit(4));
  REQUIRE(test.until([&] { return test.entered.size() == 2; }));
  others.cancel();
  REQUIRE(test.until([&] { return others.empty() && test.entered.back() == 4; }));
  test.left = 4;
  REQUIRE(test.until([&] { return test.tasks.empty(); }));
  CHECK(test.gate.inside() == 0);
}

TEST_CASE("valid_utf8: replaces what is no UTF-8 and nothing else", "[controller]") {
  struct Case {
    std::string text;
    std::string expected;
  };
  const std::string bad = "\xEF\xBF\xBD";
  const std::vector<Case> cases = {
      {"", ""},
      {"plain text of some length", "plain text of some length"},
      {"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"},
      {"a\xFFz", "a" + bad + "z"},
      {"12345678\x80", "12345678" + bad},
      {"\xC0\xAF", bad + bad},                      // overlong
      {"\xE0\x80\x80", bad + bad + bad},            // overlong
      {"\xED\xA0\x80", bad + bad + bad},            // a surrogate
      {"\xF4\x90\x80\x80", bad + bad + bad + bad},  // past the last code point
      {"\xE2\x82", bad + bad},                      // cut
      {"\xE2\x82z", bad + bad + "z"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.text);
    std::string storage;
    CHECK(valid_utf8(each.text, storage) == each.expected);
  }
}

TEST_CASE("read_list: hands over items and says what surrounds them", "[controller]") {
  std::vector<std::string> names;
  const auto take = [&](const nlohmann::json& item) { names.push_back(item.dump()); };
  const auto page = read_list(
      R"({"metadata":{"items":[{"no":1}],"resourceVersion":"7","continue":"next"},
          "items":[{"a":{"items":[{"deep":1}]}},{"b":[{}]}],"other":{"c":{}}})",
      take
  );
  REQUIRE(page);
  CHECK(page->resource_version == "7");
  CHECK(page->continuation == "next");
  CHECK(names == std::vector<std::string>{R"({"a":{"items":[{"deep":1}]}})", R"({"b":[{}]})"});
  CHECK(read_list(R"({"items":null})", take).has_value());
  CHECK(read_list("{}", take).has_value());
  for (const char* bad :
       {"", "[]", "7", "{\"items\":{}}", "{\"items\":7}", "{\"items\":[{}", "{]"}) {
    CAPTURE(bad);
    CHECK(read_list(bad, take).has_error());
  }
}

TEST_CASE("read_list: bytes that are no UTF-8 spoil only their string", "[controller]") {
  std::vector<std::string> names;
  const auto page = read_list(
      "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"n\":\"a\xFF\"},{\"n\":\"b\"}]}",
      [&](const nlohmann::json& item) { names.push_back(item["n"].get<std::string>()); }
  );
  REQUIRE(page);
  CHECK(names == std::vector<std::string>{"a\xEF\xBF\xBD", "b"});
}

}  // namespace cppx::controller::test
