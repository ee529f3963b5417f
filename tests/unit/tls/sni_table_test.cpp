#include "tls/sni_table.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"

namespace cppx::tls {
namespace {

using test::certificate_named;

TEST_CASE("SniTable: exact name, then one-label wildcard, then the fallback", "[tls]") {
  const auto fallback = certificate_named("fallback");
  const auto exact = certificate_named("exact");
  const auto wildcard = certificate_named("wildcard");
  CHECK(&SniTable(fallback).find("a.example.com") == fallback.get());
  const SniTable table(fallback, {{"*.example.com", wildcard}, {"a.example.com", exact}});

  struct Case {
    std::string_view name;
    const Certificate* expected;
  };
  const std::vector<Case> cases = {
      {"a.example.com", exact.get()},
      {"A.EXAMPLE.COM", exact.get()},
      {"a.example.com.", exact.get()},
      {"b.example.com", wildcard.get()},
      {"B.Example.com.", wildcard.get()},
      {"a.b.example.com", fallback.get()},
      {"example.com", fallback.get()},
      {".example.com", fallback.get()},
      {"*.example.com", wildcard.get()},
      {"", fallback.get()},
      {".", fallback.get()},
      {"127.0.0.1", fallback.get()},
      {"a.example.com..", fallback.get()},
      {"a.example.org", fallback.get()},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(&table.find(c.name) == c.expected);
  }
  CHECK(&table.find(std::string(100'000, 'a')) == fallback.get());
  CHECK(&table.find(std::string_view("a.example.com\0", 14)) == fallback.get());
}

TEST_CASE("SniTable: a table made from another has what changed, and leaves it as it is", "[tls]") {
  const auto first = certificate_named("first");
  const auto second = certificate_named("second");
  const auto fallback = certificate_named("fallback");
  const SniTable table(fallback, {{"a.example.com", first}, {"b.example.com", first}});
  const SniTable next = table.with(
      second, {{"a.example.com", second}, {"b.example.com", nullptr}, {"*.example.com", first}}
  );
  CHECK(&next.find("a.example.com") == second.get());
  CHECK(&next.find("b.example.com") == first.get());
  CHECK(&next.find("unknown.test") == second.get());
  CHECK(&table.find("a.example.com") == first.get());
  CHECK(&table.find("c.example.com") == fallback.get());
  CHECK(&table.fallback() == fallback.get());

  const SniTable last = next.with(second, {{"*.example.com", nullptr}, {"x.test", nullptr}});
  CHECK(&last.find("b.example.com") == second.get());
  CHECK(last.entries().size() == 1);
}

TEST_CASE("SniTable: entries come sorted; names that are none are left out", "[tls]") {
  const auto one = certificate_named("one");
  const SniTable table(
      one, {{"b.example.com", one},
            {"*.example.com", one},
            {"a.example.com", one},
            {"", one},
            {"*.", one},
            {std::string(300, 'a'), one}}
  );
  std::vector<std::string> names;
  for (const auto& [name, certificate] : table.entries()) {
    names.push_back(name);
    CHECK(certificate == one);
  }
  CHECK(names == std::vector<std::string>{"*.example.com", "a.example.com", "b.example.com"});
}

}  // namespace
}  // namespace cppx::tls
