#include "routing/match/host_map.h"

#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

struct Place {
  int number = 0;
};

struct Seen {
  int number = 0;
  static Seen of(const Place& place) noexcept { return {place.number}; }
};

using Map = HostMap<Place, Seen>;

std::shared_ptr<const Place> place(int number) {
  return std::make_shared<const Place>(Place{number});
}

/// 0: nothing is found.
int found(const Map& map, std::string_view host) {
  const Seen* const seen = map.find(host);
  return seen == nullptr ? 0 : seen->number;
}

std::map<std::string, int> content(const Map& map) {
  std::map<std::string, int> out;
  map.for_each([&](const std::string& name, const Map::Pointer& value) {
    CHECK(out.try_emplace(name, value->number).second);
  });
  CHECK(out.size() == map.size());
  return out;
}

TEST_CASE("HostMap: names are found as HostIndex finds them", "[routing]") {
  const Map map = Map().with({
      {"a.example.com", place(1)},
      {"*.example.com", place(2)},
      {"example.org", place(3)},
  });
  CHECK(found(map, "a.example.com") == 1);
  CHECK(found(map, "A.Example.COM.") == 1);
  CHECK(found(map, "b.example.com") == 2);
  CHECK(found(map, "*.example.com") == 2);
  CHECK(found(map, "a.b.example.com") == 0);
  CHECK(found(map, "example.org") == 3);
  for (const std::string_view none :
       {"", ".", "..", ".example.com", "example.com", "org", "a.example.com.."}) {
    CAPTURE(none);
    CHECK(found(map, none) == 0);
  }
  CHECK(found(map, std::string(100'000, 'a')) == 0);
  CHECK(found(Map(), "a.example.com") == 0);
  CHECK(map.get("*.example.com")->number == 2);
  CHECK(map.get("b.example.com") == nullptr);
}

TEST_CASE("HostMap: names that cannot be found are left out", "[routing]") {
  const Map map = Map().with(
      {{"", place(1)}, {"*.", place(2)}, {std::string(254, 'a'), place(3)}, {"b", place(4)}}
  );
  CHECK(content(map) == std::map<std::string, int>{{"b", 4}});
}

TEST_CASE("HostMap: what changes is changed, and all else is shared", "[routing]") {
  Map::Changes many;
  for (int i = 1; i <= 1'000; ++i) many["h" + std::to_string(i) + ".test"] = place(i);
  const Map before = Map().with(many);
  const Map after =
      before.with({{"h7.test", place(-7)}, {"h8.test", nullptr}, {"new.test", place(-1)}});
  CHECK(found(after, "h7.test") == -7);
  CHECK(found(after, "h8.test") == 0);
  CHECK(found(after, "new.test") == -1);
  CHECK(found(before, "h7.test") == 7);
  CHECK(found(before, "h8.test") == 8);
  CHECK(found(before, "new.test") == 0);
  // The same entry at the same place: nothing was made anew for these. Three of 32 parts were.
  std::size_t shared = 0;
  for (int i = 9; i <= 1'000; ++i) {
    const std::string name = "h" + std::to_string(i) + ".test";
    REQUIRE(found(after, name) == i);
    shared += before.find(name) == after.find(name) ? 1U : 0U;
  }
  CHECK(shared > 800);
}

TEST_CASE("HostMap: the last wildcard takes the search for wildcards along", "[routing]") {
  const Map with = Map().with({{"*.example.com", place(1)}, {"a.test", place(2)}});
  const Map without = with.with({{"*.example.com", nullptr}});
  CHECK(found(with, "b.example.com") == 1);
  CHECK(found(without, "b.example.com") == 0);
  CHECK(found(without.with({{"*.example.com", place(3)}}), "b.example.com") == 3);
  CHECK(content(without.with({{"a.test", nullptr}})).empty());
}

TEST_CASE("HostMap: any changes, step by step, give what they give at once", "[routing]") {
  std::mt19937 random(20261126);
  std::map<std::string, int> expected;
  Map map;
  const auto any_name = [&] {
    const std::string name = "h" + std::to_string(random() % 300) + ".test";
    return random() % 5 == 0 ? "*." + name : name;
  };
  for (int step = 1; step <= 500; ++step) {
    Map::Changes changes;
    for (auto left = random() % 8; left > 0; --left) {
      const std::string name = any_name();
      const bool gone = random() % 3 == 0;
      changes[name] = gone ? nullptr : place(step);
      if (gone)
        expected.erase(name);
      else
        expected[name] = step;
    }
    map = map.with(changes);
    const std::string name = any_name();
    const auto known = expected.find(name);
    const auto value = map.get(name);
    REQUIRE(
        (value == nullptr ? 0 : value->number) == (known == expected.end() ? 0 : known->second)
    );
  }
  CHECK(content(map) == expected);
}

}  // namespace
}  // namespace cppx::routing
