#include "routing/endpoint/endpoint.h"

#include <string>
#include <string_view>
#include <unordered_set>

#include <catch2/catch_test_macros.hpp>

namespace cppx::routing {
namespace {

using namespace std::string_view_literals;

TEST_CASE("EndpointAddress: literals and how they are written back", "[routing]") {
  const struct {
    std::string_view literal;
    std::uint16_t port;
    std::string_view text;
    bool v4;
  } cases[] = {
      {"10.0.0.1", 80, "10.0.0.1:80", true},
      {"255.255.255.255", 65535, "255.255.255.255:65535", true},
      {"0.0.0.0", 0, "0.0.0.0:0", true},
      {"fd00::1", 8080, "[fd00::1]:8080", false},
      {"FD00:0:0:0:0:0:0:1", 8080, "[fd00::1]:8080", false},
      {"::", 1, "[::]:1", false},
      {"::1", 1, "[::1]:1", false},
      {"1:2:3:4:5:6:7:8", 1, "[1:2:3:4:5:6:7:8]:1", false},
      {"::ffff:10.0.0.1", 80, "10.0.0.1:80", true},
      {"1111:2222:3333:4444:5555:6666:255.255.255.255", 1,
       "[1111:2222:3333:4444:5555:6666:ffff:ffff]:1", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.literal);
    const auto address = EndpointAddress::parse(c.literal, c.port);
    REQUIRE(address.has_value());
    CHECK(address->to_string() == c.text);
    CHECK(address->is_v4() == c.v4);
    CHECK(address->port == c.port);
  }
}

TEST_CASE("EndpointAddress: what is no literal", "[routing]") {
  for (const auto text :
       {""sv, "10.0.0"sv, "10.0.0.256"sv, "10.0.0.1.2"sv, "10.0.0.01"sv, "10.0.0.1 "sv,
        " 10.0.0.1"sv, "0x0a.0.0.1"sv, "10.0.0.1:80"sv, "[::1]"sv, "fe80::1%eth0"sv, "fe80::1%1"sv,
        ":::"sv, "1::2::3"sv, "example.com"sv, "10.0.0.1\0"sv, "10.0.0.1\0x"sv, "::1\0"sv,
        "1111:2222:3333:4444:5555:6666:255.255.255.2555"sv}) {
    CAPTURE(text);
    CHECK_FALSE(EndpointAddress::parse(text, 80).has_value());
  }
  CHECK_FALSE(EndpointAddress::parse(std::string(100'000, '1'), 80).has_value());
}

TEST_CASE("EndpointAddress: equal and ordered by address, then port", "[routing]") {
  const auto at = [](std::string_view ip, std::uint16_t port) {
    return *EndpointAddress::parse(ip, port);
  };
  CHECK(at("10.0.0.1", 80) == at("::ffff:a00:1", 80));
  CHECK(at("10.0.0.1", 80) != at("10.0.0.1", 81));
  CHECK(at("10.0.0.1", 80) < at("10.0.0.1", 81));
  CHECK(at("10.0.0.1", 81) < at("10.0.0.2", 80));
  CHECK(at("10.0.0.9", 80) < at("10.0.0.10", 80));
}

TEST_CASE("EndpointAddressHash: pods of one network spread", "[routing]") {
  std::unordered_set<std::size_t> low_bits;
  std::size_t count = 0;
  for (int third = 0; third < 8; ++third)
    for (int last = 1; last < 251; ++last, ++count) {
      const std::string ip = "10.244." + std::to_string(third) + "." + std::to_string(last);
      low_bits.insert(EndpointAddressHash{}(*EndpointAddress::parse(ip, 8080)) & 0xffffff);
    }
  CHECK(low_bits.size() > count - 10);
  CHECK(
      EndpointAddressHash{}(*EndpointAddress::parse("::1", 1)) ==
      EndpointAddressHash{}(*EndpointAddress::parse("0::1", 1))
  );
}

}  // namespace
}  // namespace cppx::routing
