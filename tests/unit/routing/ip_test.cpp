#include <array>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "routing/client/client_address.h"
#include "routing/client/ip_address.h"
#include "routing/client/ip_ranges.h"

namespace cppx::routing {
namespace {

using namespace std::string_view_literals;

TEST_CASE("IpAddress: parsed and written in its usual form", "[routing]") {
  const struct {
    std::string_view text, written;
    bool v4;
  } cases[] = {
      {"192.0.2.1", "192.0.2.1", true},
      {"::ffff:192.0.2.1", "192.0.2.1", true},
      {"2001:DB8:0::1", "2001:db8::1", false},
      {"::", "::", false},
      {"0.0.0.0", "0.0.0.0", true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto address = IpAddress::parse(c.text);
    REQUIRE(address);
    CHECK(address->is_v4() == c.v4);
    CHECK(ClientAddress(*address, 1).view() == c.written);
  }
}

TEST_CASE("IpAddress: what is none", "[routing]") {
  for (const auto text :
       {""sv, "1.2.3"sv, "1.2.3.256"sv, "01.2.3.4"sv, "1.2.3.4 "sv, "1.2.3.4:80"sv, "[::1]"sv,
        "::1%lo"sv, "1.2.3.4\0"sv, "g::"sv, "0000:0000:0000:0000:0000:ffff:255.255.255.2555"sv}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
}

TEST_CASE("IpAddress: a text that does not fit is not written", "[routing]") {
  std::array<char, 8> small{};
  CHECK(IpAddress::parse("192.0.2.1")->format(small) == 0);
  CHECK(IpAddress::parse("1.2.3.45")->format(small) == 8);
}

TEST_CASE("IpRanges: who is in", "[routing]") {
  const struct {
    std::string_view ranges, address;
    bool in;
  } cases[] = {
      {"0.0.0.0/0", "192.0.2.1", true},
      {"0.0.0.0/0", "::1", false},
      {"0.0.0.0/0", "::ffff:192.0.2.1", true},
      {"::/0", "::1", true},
      {"::/0", "192.0.2.1", false},
      {"::ffff:10.0.0.0/104", "10.9.9.9", true},
      {"::ffff:10.0.0.0/104", "11.0.0.1", false},
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.1.2.3/8", "10.255.0.1", true},
      {"192.0.2.0/25", "192.0.2.127", true},
      {"192.0.2.0/25", "192.0.2.128", false},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.8", false},
      {"192.0.2.7/32", "192.0.2.7", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"2001:db8::1", "2001:db8::1", true},
      {"10.0.0.0/8, 2001:db8::/32 ,192.0.2.1", "192.0.2.1", true},
      {"10.0.0.0/8, 2001:db8::/32 ,192.0.2.1", "192.0.2.2", false},
      {"", "192.0.2.1", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.ranges, c.address);
    const auto ranges = IpRanges::parse(c.ranges);
    REQUIRE(ranges);
    CHECK(ranges->contains(*IpAddress::parse(c.address)) == c.in);
  }
  CHECK(IpRanges::all_v4() == *IpRanges::parse("1.2.3.4/0"));
}

TEST_CASE("IpRanges: what is no range", "[routing]") {
  for (const auto text :
       {"10.0.0.0/33"sv, "::/129"sv, "10.0.0.0/"sv, "10.0.0.0/-1"sv, "/8"sv, "10.0.0/8"sv,
        "10.0.0.0/8/8"sv, "localhost"sv, "10.0.0.0/8 192.0.2.1"sv}) {
    CAPTURE(text);
    CHECK_FALSE(IpRanges::parse(text));
  }
}

}  // namespace
}  // namespace cppx::routing
