#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/balance/endpoint_hashes.h"
#include "routing/balance/hash_pattern.h"
#include "routing/balance/maglev_table.h"
#include "routing/balance/sip_hash.h"
#include "routing/http/cookie.h"
#include "tests/unit/support/allocation_count.h"

namespace cppx::routing {
namespace {

std::vector<EndpointAddress> endpoints(std::size_t count) {
  std::vector<EndpointAddress> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(*EndpointAddress::parse(
        "10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1), 8080
    ));
  return out;
}

std::vector<std::size_t> shares(const MaglevTable& table, std::size_t count) {
  std::vector<std::size_t> out(count);
  for (std::size_t slot = 0; slot < table.size(); ++slot) ++out.at(table.endpoint_at(slot));
  return out;
}

RequestHead request(std::string_view target, std::string_view host = "Www.Example.com:8080") {
  RequestHead head;
  head.method = "GET";
  head.target = target;
  head.path = target.substr(0, std::min(target.find('?'), target.size()));
  head.host = host;
  return head;
}

}  // namespace

TEST_CASE("SipHash: the vectors of its authors", "[routing]") {
  const SipKey key{.low = 0x0706050403020100ULL, .high = 0x0f0e0d0c0b0a0908ULL};
  std::string bytes;
  const std::map<std::size_t, std::uint64_t> expected{
      {0, 0x726fdb47dd0e0e31ULL},  {1, 0x74f839c593dc67fdULL},  {7, 0xab0200f58b01d137ULL},
      {8, 0x93f5f5799a932462ULL},  {15, 0xa129ca6149be45e5ULL}, {16, 0x3f2acc7f57c29bdbULL},
      {63, 0x958a324ceb064572ULL},
  };
  for (std::size_t size = 0; size < 64; ++size) {
    if (const auto found = expected.find(size); found != expected.end()) {
      CAPTURE(size);
      CHECK(sip_hash(key, bytes) == found->second);
    }
    bytes.push_back(static_cast<char>(size));
  }
  SipHash pieces(key);
  pieces.update(std::string_view(bytes).substr(0, 5));
  pieces.update(std::string_view(bytes).substr(5, 58));
  CHECK(pieces.finish() == expected.at(63));
}

TEST_CASE("MaglevTable: equal shares, and memory that is bounded", "[routing]") {
  for (const std::size_t count : {1U, 2U, 3U, 10U, 57U, 500U}) {
    CAPTURE(count);
    const MaglevTable table(endpoints(count));
    CHECK(table.size() <= 65'521);
    const auto parts = shares(table, count);
    const auto [least, most] = std::ranges::minmax(parts);
    CHECK(most - least <= 1);
    CHECK(least >= 100);
  }
  CHECK(MaglevTable(endpoints(2)).size() == 1021);
  CHECK(MaglevTable({}).size() == 0);
  const MaglevTable huge(endpoints(40'000));
  CHECK(huge.size() == 65'521);
  CHECK(std::ranges::min(shares(huge, 40'000)) >= 1);
}

TEST_CASE("MaglevTable: the order of the endpoints does not matter", "[routing]") {
  auto some = endpoints(20);
  const MaglevTable table(some);
  const auto sorted = some;
  std::ranges::reverse(some);
  const MaglevTable reversed(some);
  // Turns to choose go in the given order, so that is only true of nearly all slots.
  std::size_t same = 0;
  for (std::size_t slot = 0; slot < table.size(); ++slot)
    if (sorted[table.endpoint_at(slot)] == some[reversed.endpoint_at(slot)]) ++same;
  CHECK(same > table.size() * 9 / 10);
}

TEST_CASE("MaglevTable: one endpoint more or less moves few keys", "[routing]") {
  for (const std::size_t count : {3U, 10U, 30U}) {
    CAPTURE(count);
    const auto before = endpoints(count);
    auto after = before;
    after.erase(after.begin() + 1);
    const MaglevTable old_table(before);
    const MaglevTable new_table(after);
    REQUIRE(old_table.size() == new_table.size());
    std::size_t moved = 0;
    std::size_t kept = 0;
    for (std::uint64_t key = 0; key < 10'000; ++key) {
      const std::uint64_t hash = sip_hash({}, std::to_string(key));
      const auto was = before[old_table.endpoint_at(old_table.slot_of(hash))];
      const auto is = after[new_table.endpoint_at(new_table.slot_of(hash))];
      if (was == before[1]) continue;
      ++(was == is ? kept : moved);
    }
    // Beside the keys of the one that is gone, hardly any.
    CHECK(moved * 5 < kept + moved);
  }
}

TEST_CASE("EndpointHashes: identities find their endpoint and depend on the key", "[routing]") {
  const auto some = endpoints(30);
  const EndpointHashes hashes(some, {.low = 1, .high = 2});
  const EndpointHashes other(some, {.low = 1, .high = 3});
  for (std::uint32_t i = 0; i < some.size(); ++i) {
    const std::uint64_t identity = hashes.identity_of(some[i]);
    CHECK(hashes.find(identity) == i);
    CHECK_FALSE(other.find(identity).has_value());
  }
  CHECK_FALSE(hashes.find(0).has_value());
  CHECK_FALSE(EndpointHashes({}, {}).find(1).has_value());
}

TEST_CASE("find_cookie: first of the name, in whatever field", "[routing]") {
  HeaderFields fields;
  fields.push({.name = "Accept", .value = "a=1"});
  fields.push({.name = "cookie", .value = "a=1; b = two ;c;=x; d=\"q\"; e=x=y"});
  fields.push({.name = "Cookie", .value = "a=2;f=last"});
  CHECK(find_cookie(fields, "a") == "1");
  CHECK(find_cookie(fields, "b") == "two");
  CHECK_FALSE(find_cookie(fields, "c"));
  CHECK(find_cookie(fields, "d") == "\"q\"");
  CHECK(find_cookie(fields, "e") == "x=y");
  CHECK(find_cookie(fields, "f") == "last");
  CHECK_FALSE(find_cookie(fields, "A"));
  CHECK(find_cookie(fields, "A", CookieNames::kAnyCase) == "1");
  CHECK_FALSE(find_cookie(fields, "g"));
}

TEST_CASE("HashPattern: what is refused", "[routing]") {
  for (const std::string_view text :
       {"", "$", "a$", "${", "${host", "${}", "$unheard_of", "$http_", "$cookie_", "$arg_",
        "$ host", "$-", "${host$uri}"}) {
    CAPTURE(text);
    CHECK_FALSE(HashPattern::parse(text).has_value());
  }
  std::string many;
  for (int i = 0; i < 16; ++i) many += "$host";
  CHECK(HashPattern::parse(many).has_value());
  CHECK_FALSE(HashPattern::parse(many + "x").has_value());
}

TEST_CASE("HashPattern: hashes the text that the request gives", "[routing]") {
  RequestHead head = request("/shop/cart?id=7&User=ann&empty=&x");
  head.fields.push({.name = "X-User-Id", .value = "42"});
  head.fields.push({.name = "x-user-id", .value = "43"});
  head.fields.push({.name = "Cookie", .value = "theme=dark; Session=abc"});
  const HashInput input{.request = head, .client_address = "192.0.2.1"};
  struct Row {
    std::string_view pattern;
    std::string_view text;
  };
  const Row rows[] = {
      {"$request_uri", "/shop/cart?id=7&User=ann&empty=&x"},
      {"$uri", "/shop/cart"},
      {"$args", "id=7&User=ann&empty=&x"},
      {"$query_string", "id=7&User=ann&empty=&x"},
      {"$host", "www.example.com"},
      {"$remote_addr", "192.0.2.1"},
      {"$binary_remote_addr", "192.0.2.1"},
      {"$request_method", "GET"},
      {"$http_x_user_id", "42, 43"},
      {"$http_X_User_Id", "42, 43"},
      {"$cookie_theme", "dark"},
      {"$cookie_session", "abc"},
      {"$arg_id", "7"},
      {"$arg_user", "ann"},
      {"${host}$uri", "www.example.com/shop/cart"},
      {"a-${arg_id}b$host", "a-7bwww.example.com"},
      {"$remote_addr-$arg_none", "192.0.2.1-"},
      {"fixed", "fixed"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    const auto pattern = HashPattern::parse(row.pattern);
    REQUIRE(pattern.has_value());
    CHECK(pattern->text() == row.pattern);
    CHECK(pattern->hash(input) == sip_hash({}, row.text));
  }
}

TEST_CASE("HashPattern: requests that have nothing of it have no hash", "[routing]") {
  const RequestHead head = request("/?empty=", "");
  const HashInput input{.request = head, .client_address = ""};
  for (const std::string_view text :
       {"$http_x", "$cookie_x", "$arg_x", "$arg_empty", "$host", "$remote_addr", "user-$http_x"}) {
    CAPTURE(text);
    CHECK_FALSE(HashPattern::parse(text)->hash(input).has_value());
  }
  CHECK_FALSE(HashPattern().hash(input).has_value());
}

TEST_CASE("HashPattern: evaluating allocates nothing", "[routing]") {
  const auto pattern = *HashPattern::parse("${host}-$request_uri-$http_x_user-$cookie_s-$arg_a");
  const std::string target = "/" + std::string(5'000, 'x') + "?a=" + std::string(500, 'y');
  RequestHead head = request(target);
  head.fields.push({.name = "X-User", .value = target});
  head.fields.push({.name = "Cookie", .value = "s=1"});
  const std::size_t before = test::allocation_count();
  const auto hash = pattern.hash({.request = head, .client_address = "192.0.2.1"});
  CHECK(test::allocation_count() == before);
  CHECK(hash.has_value());
}

}  // namespace cppx::routing
