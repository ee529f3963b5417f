#include "base/text.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx {
namespace {

using namespace std::string_view_literals;

TEST_CASE("to_lower: ASCII letters only, whatever the locale", "[base]") {
  CHECK(to_lower("AbZ09-_.ÄÉ\x80\xff"sv) == "abz09-_.ÄÉ\x80\xff");
  CHECK(to_lower(""sv).empty());
  CHECK(to_lower('@') == '@');
  CHECK(to_lower('[') == '[');
  STATIC_CHECK(to_lower('Z') == 'z');
}

TEST_CASE("iequals: letter case of ASCII does not count, everything else does", "[base]") {
  STATIC_CHECK(iequals("Example.COM", "eXAMPLE.com"));
  CHECK(iequals("", ""));
  CHECK_FALSE(iequals("a", ""));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK_FALSE(iequals("a@", "a`"));
  CHECK_FALSE(iequals("[", "{"));
  CHECK_FALSE(iequals("\xc4", "\xe4"));
}

TEST_CASE("trim: blanks and line ends at the sides, never inside", "[base]") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \t\r\n").empty());
  CHECK(trim("").empty());
  CHECK(trim("a") == "a");
  const std::string_view blank = " \t";
  CHECK(trim(blank).data() == blank.data());
  CHECK(trim("\va\v") == "\va\v");
}

TEST_CASE("split_list: items trimmed, empty ones left out", "[base]") {
  using List = std::vector<std::string_view>;
  CHECK(split_list("a, b ,,c ") == List{"a", "b", "c"});
  CHECK(split_list(",, ,").empty());
  CHECK(split_list("").empty());
  CHECK(split_list("a b") == List{"a b"});
  CHECK(split_list("a;b,c", ';') == List{"a", "b,c"});
}

TEST_CASE("parse_int: the whole text is a number that fits, or nothing", "[base]") {
  CHECK(parse_int<int>("0") == 0);
  CHECK(parse_int<int>("-17") == -17);
  CHECK(parse_int<std::uint16_t>("65535") == 65535);
  CHECK(parse_int<std::uint16_t>("00080") == 80);
  CHECK(parse_int<std::uint64_t>("18446744073709551615") == 18446744073709551615ULL);
  for (const auto text : {""sv, " 1"sv, "1 "sv, "+1"sv, "0x1"sv, "1.0"sv, "a"sv, "-"sv, "1\0"sv})
    CHECK_FALSE(parse_int<int>(text));
  CHECK_FALSE(parse_int<std::uint16_t>("65536"));
  CHECK_FALSE(parse_int<std::uint16_t>("-1"));
  CHECK_FALSE(parse_int<std::uint64_t>("18446744073709551616"));
  CHECK_FALSE(parse_int<int>(std::string_view()));
}

TEST_CASE("printable: control characters are written out, all else stays", "[base]") {
  CHECK(printable("a\nb\t\x7f") == "a\\x0ab\\x09\\x7f");
  CHECK(printable("\xc2\x85") == "\xc2\\x85");
  CHECK(printable("\x9b") == "\\x9b");
  CHECK(printable("\xc3\xa4 \\ \xe2\x82\xac") == "\xc3\xa4 \\ \xe2\x82\xac");
  CHECK(printable("").empty());
}

TEST_CASE("hash64: equal text equal hash, similar names spread", "[base]") {
  STATIC_CHECK(hash64("default/web:80") == hash64("default/web:80"));
  std::unordered_set<std::uint64_t> low_bits;
  constexpr std::size_t kNames = 1000;
  for (std::size_t i = 0; i < kNames; ++i)
    low_bits.insert(hash64("default/web-" + std::to_string(i) + ":80") & 0xfffff);
  CHECK(low_bits.size() > kNames - 10);
  CHECK(StringHash{}("a") == StringHash{}(std::string("a")));
}

}  // namespace
}  // namespace cppx
