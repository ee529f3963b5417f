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
  SniTable table(fallback);
  CHECK(&table.find("a.example.com") == fallback.get());
  REQUIRE(table.add("*.example.com", wildcard));
  REQUIRE(table.add("A.example.com.", exact));

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

TEST_CASE("SniTable: the first certificate of a name stays", "[tls]") {
  const auto first = certificate_named("first");
  const auto second = certificate_named("second");
  SniTable table(certificate_named("fallback"));
  CHECK(table.add("a.example.com", first));
  CHECK_FALSE(table.add("A.example.com", second));
  CHECK_FALSE(table.add("a.example.com.", second));
  CHECK(table.add("*.example.com", second));
  CHECK_FALSE(table.add("*.example.com", first));
  CHECK_FALSE(table.add("", first));
  CHECK_FALSE(table.add("b.example.com", nullptr));
  CHECK(&table.find("a.example.com") == first.get());
  CHECK(&table.find("b.example.com") == second.get());
}

TEST_CASE("SniTable: entries in the order of adding, one index a certificate", "[tls]") {
  const auto fallback = certificate_named("fallback");
  const auto one = certificate_named("one");
  SniTable table(fallback);
  REQUIRE(table.add("B.example.com", one));
  REQUIRE(table.add("*.example.com", fallback));
  REQUIRE(table.add("a.example.com", one));
  REQUIRE(table.entries().size() == 3);
  CHECK(table.entries()[0].host == "b.example.com");
  CHECK(table.entries()[1].host == "*.example.com");
  CHECK(table.entries()[2].host == "a.example.com");
  CHECK(table.entries()[1].certificate == 0);
  CHECK(table.entries()[0].certificate == table.entries()[2].certificate);
  CHECK(&table.certificate(table.entries()[0].certificate) == one.get());
  CHECK(&table.certificate(0) == &table.fallback());
}

}  // namespace
}  // namespace cppx::tls
