#include "routing/match/host_index.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using namespace std::string_view_literals;

TEST_CASE("HostIndex: an empty one finds nothing", "[routing]") {
  const HostIndex index;
  CHECK(index.size() == 0);
  for (const auto host : {""sv, "."sv, "a"sv, "a.b"sv}) CHECK(index.find(host) == HostIndex::kNone);
}

TEST_CASE("HostIndex: exact names in any case, with one trailing dot or none", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("www.Example.com", 1));
  REQUIRE(index.add("localhost", 2));
  for (const auto host : {"www.example.com"sv, "WWW.EXAMPLE.COM"sv, "wWw.eXample.cOm."sv})
    CHECK(index.find(host) == 1);
  CHECK(index.find("LocalHost.") == 2);
  for (const auto host :
       {""sv, "."sv, ".."sv, "example.com"sv, "www.example.com.."sv, ".www.example.com"sv,
        "www.example.co"sv, "www.example.comm"sv, "wwww.example.com"sv, "localhost.localhost"sv,
        "www.example.com\0"sv, "www.example\0com"sv}) {
    CAPTURE(host);
    CHECK(index.find(host) == HostIndex::kNone);
  }
}

TEST_CASE("HostIndex: a wildcard of one label takes just one", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("*.Example.com", 1));
  CHECK(index.find("a.example.com") == 1);
  CHECK(index.find("A-1_b.EXAMPLE.com.") == 1);
  for (const auto host :
       {"example.com"sv, ".example.com"sv, "a.b.example.com"sv, "aexample.com"sv,
        "a.example.com.org"sv, "a..example.com"sv, "com"sv}) {
    CAPTURE(host);
    CHECK(index.find(host) == HostIndex::kNone);
  }
}

TEST_CASE("HostIndex: a wildcard of one or more labels takes any number", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("*.example.com", 1, WildcardLabels::kOneOrMore));
  CHECK(index.find("a.example.com") == 1);
  CHECK(index.find("a.b.c.Example.com.") == 1);
  CHECK(index.find("example.com") == HostIndex::kNone);
  CHECK(index.find(".example.com") == HostIndex::kNone);
}

TEST_CASE("HostIndex: exact before wildcard, the longest wildcard before others", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("*.com", 1, WildcardLabels::kOneOrMore));
  REQUIRE(index.add("*.example.com", 2));
  REQUIRE(index.add("*.b.example.com", 3, WildcardLabels::kOneOrMore));
  REQUIRE(index.add("a.example.com", 4));
  REQUIRE(index.add("a.b.example.com", 5));
  REQUIRE(index.add("*.d.c.b.example.com", 6, WildcardLabels::kOneOrMore));
  CHECK(index.find("a.example.com") == 4);
  CHECK(index.find("x.example.com") == 2);
  CHECK(index.find("b.example.com") == 2);
  CHECK(index.find("a.b.example.com") == 5);
  CHECK(index.find("x.b.example.com") == 3);
  CHECK(index.find("x.y.b.example.com") == 3);
  CHECK(index.find("c.b.example.com") == 3);
  CHECK(index.find("x.d.c.b.example.com") == 6);
  CHECK(index.find("x.c.example.com") == 1);
  CHECK(index.find("example.com") == 1);
  CHECK(index.find("com") == HostIndex::kNone);
}

TEST_CASE("HostIndex: a name given twice keeps its first value", "[routing]") {
  HostIndex index;
  CHECK(index.add("a.example.com", 1));
  CHECK_FALSE(index.add("A.EXAMPLE.COM", 2));
  CHECK(index.add("*.example.com", 3));
  CHECK_FALSE(index.add("*.Example.com", 4));
  CHECK_FALSE(index.add("*.example.com", 5, WildcardLabels::kOneOrMore));
  CHECK(index.size() == 2);
  CHECK(index.find("a.example.com") == 1);
  CHECK(index.find("b.example.com") == 3);
  CHECK(index.find("b.b.example.com") == HostIndex::kNone);
}

TEST_CASE("HostIndex: names that cannot be asked for are not taken", "[routing]") {
  HostIndex index;
  const std::string longest(HostIndex::kLongestName, 'a');
  CHECK_FALSE(index.add("", 1));
  CHECK_FALSE(index.add("*.", 1));
  CHECK_FALSE(index.add(longest + "a", 1));
  CHECK_FALSE(index.add("*." + longest, 1));
  CHECK_FALSE(index.add("a", HostIndex::kNone));
  CHECK(index.size() == 0);
  CHECK(index.add(longest, 7));
  CHECK(index.find(longest) == 7);
  CHECK(index.find(longest + ".") == 7);
  CHECK(index.find(longest + "a") == HostIndex::kNone);
}

TEST_CASE("HostIndex: a host that looks like a key of the table", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("*.example.com", 1));
  REQUIRE(index.add(".example.org", 2));
  REQUIRE(index.add("*", 3));
  CHECK(index.find(".example.com") == HostIndex::kNone);
  CHECK(index.find(".example.org") == 2);
  CHECK(index.find("a.example.org") == HostIndex::kNone);
  CHECK(index.find("*.example.com") == 1);
  CHECK(index.find("*") == 3);
  CHECK(index.find("a") == HostIndex::kNone);
}

TEST_CASE("HostIndex: hostile hosts", "[routing]") {
  HostIndex index;
  REQUIRE(index.add("*.example.com", 1, WildcardLabels::kOneOrMore));
  REQUIRE(index.add("*.a", 2, WildcardLabels::kOneOrMore));
  CHECK(index.find(std::string(1'000'000, 'a')) == HostIndex::kNone);
  CHECK(index.find(std::string(1'000'000, '.')) == HostIndex::kNone);
  CHECK(index.find(std::string(253, '.')) == HostIndex::kNone);
  std::string labels;
  while (labels.size() + 2 <= HostIndex::kLongestName) labels += "a.";
  CHECK(index.find(labels) == 2);
  CHECK(index.find(labels.substr(0, labels.size() - 1)) == 2);
  std::string bytes;
  for (int i = 0; i < 250; ++i) bytes += static_cast<char>(255 - i);
  CHECK(index.find(bytes) == HostIndex::kNone);
  CHECK(index.find(bytes.substr(0, 200) + ".example.com") == 1);
}

TEST_CASE("HostIndex: suffixes of more labels than the depth mask tells apart", "[routing]") {
  HostIndex index;
  std::string sixty_five = "a";
  for (int i = 1; i < 65; ++i) sixty_five += ".a";
  std::string seventy = sixty_five + ".a.a.a.a.a";
  REQUIRE(index.add("*." + sixty_five, 65, WildcardLabels::kOneOrMore));
  REQUIRE(index.add("*." + seventy, 70, WildcardLabels::kOneOrMore));
  CHECK(index.find("x." + sixty_five) == 65);
  CHECK(index.find("x.y." + sixty_five) == 65);
  CHECK(index.find("x." + seventy) == 70);
  CHECK(index.find("x.y.z." + seventy) == 70);
  CHECK(index.find(sixty_five) == HostIndex::kNone);
}

TEST_CASE("HostIndex: stays right while it grows", "[routing]") {
  HostIndex index;
  constexpr std::uint32_t kNames = 20'000;
  for (std::uint32_t i = 0; i < kNames; ++i)
    REQUIRE(index.add((i % 7 == 0 ? "*.h" : "h") + std::to_string(i) + ".example.com", i));
  CHECK(index.size() == kNames);
  for (std::uint32_t i = 0; i < kNames; ++i) {
    const std::string name = "h" + std::to_string(i) + ".EXAMPLE.com";
    REQUIRE(index.find(i % 7 == 0 ? "www." + name : name) == i);
    REQUIRE(index.find(i % 7 == 0 ? name : "www." + name) == HostIndex::kNone);
  }
}

TEST_CASE("HostIndex: names of every length, each differing in one byte", "[routing]") {
  HostIndex index;
  std::uint32_t value = 0;
  for (std::size_t size = 1; size <= HostIndex::kLongestName; ++size)
    REQUIRE(index.add(std::string(size, 'a'), value++));
  for (std::size_t size = 1; size <= HostIndex::kLongestName; ++size) {
    CAPTURE(size);
    REQUIRE(index.find(std::string(size, 'A')) == size - 1);
    for (std::size_t at = 0; at < size; ++at) {
      std::string other(size, 'a');
      other[at] = 'b';
      REQUIRE(index.find(other) == HostIndex::kNone);
    }
  }
}

TEST_CASE("HostIndex: a slot for each name, mostly where its search begins", "[routing]") {
  HostIndex index;
  const auto find_exact = [&](std::string_view name) {
    return index.find_exact(name, HostIndex::hash(name, false));
  };
  CHECK(find_exact("a.example.com") == HostIndex::kNone);
  constexpr std::uint32_t kNames = 1'000;
  index.reserve(kNames);
  const std::size_t slots = index.slots();
  for (std::uint32_t i = 0; i < kNames; ++i)
    REQUIRE(index.add("h" + std::to_string(i) + ".example.com", i));
  REQUIRE(index.add("*.example.org", kNames));
  CHECK(index.slots() >= slots);

  std::size_t taken = 0;
  for (std::size_t slot = 0; slot < index.slots(); ++slot)
    if (index.value_at(slot) != HostIndex::kNone) ++taken;
  CHECK(taken == index.size());

  std::size_t at_once = 0;
  for (std::uint32_t i = 0; i < kNames; ++i) {
    const std::string name = "h" + std::to_string(i) + ".Example.com";
    const std::uint32_t slot = find_exact(name);
    REQUIRE(slot < index.slots());
    REQUIRE(index.value_at(slot) == i);
    if (slot == index.first_slot(HostIndex::hash(name, false))) ++at_once;
  }
  CHECK(at_once * 2 > kNames);
  const std::string_view suffix = ".example.org";
  const std::uint64_t hash = HostIndex::hash(suffix, true);
  const std::uint32_t wildcard = index.find_suffix(suffix, hash, false);
  REQUIRE(wildcard != HostIndex::kNone);
  CHECK(index.value_at(wildcard) == kNames);
  CHECK(index.find_suffix(suffix, hash, true) == HostIndex::kNone);
  CHECK(find_exact(suffix) == HostIndex::kNone);
}

TEST_CASE("HostIndex: for_each tells each name as it was added, in lower case", "[routing]") {
  HostIndex index;
  const std::string long_name = std::string(60, 'a') + "." + std::string(60, 'b') + ".test";
  REQUIRE(index.add("A.example.com", 1));
  REQUIRE(index.add("*.Example.com", 2));
  REQUIRE(index.add("*.deep.test", 3, WildcardLabels::kOneOrMore));
  REQUIRE(index.add(long_name, 4));
  std::map<std::string, std::pair<WildcardLabels, std::uint32_t>> told;
  index.for_each([&](const std::string& name, WildcardLabels labels, std::uint32_t value) {
    told[name] = {labels, value};
  });
  CHECK(
      told ==
      std::map<std::string, std::pair<WildcardLabels, std::uint32_t>>{
          {"a.example.com", {WildcardLabels::kOne, 1}},
          {"*.example.com", {WildcardLabels::kOne, 2}},
          {"*.deep.test", {WildcardLabels::kOneOrMore, 3}},
          {long_name, {WildcardLabels::kOne, 4}},
      }
  );
}

TEST_CASE("HostIndex: with room made beforehand nothing moves", "[routing]") {
  HostIndex index;
  index.reserve(5'000);
  const std::size_t slots = index.slots();
  for (std::uint32_t i = 0; i < 5'000; ++i) REQUIRE(index.add("h" + std::to_string(i), i));
  CHECK(index.slots() == slots);
  CHECK(index.find("h4999") == 4'999);
}

TEST_CASE("HostIndex: nobody can choose names of one hash", "[routing]") {
  // With known numbers to multiply with these had one: their third word makes a product zero.
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 1000; ++i)
    hashes.insert(HostIndex::hash(
        "aaaaaaaaaaaa0sfie-o3oc-6w" + std::to_string(1'000'000 + i) + "zzzzzzzzzzzz.xyz", false
    ));
  CHECK(hashes.size() == 1000);
}

}  // namespace
}  // namespace cppx::routing
