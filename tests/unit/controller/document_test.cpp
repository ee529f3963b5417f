#include "controller/file/document.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace cppx::controller {
namespace {

using nlohmann::json;

json one_yaml(std::string_view text) {
  const auto documents = parse_yaml(text);
  INFO(text);
  REQUIRE(documents.size() == 1);
  INFO(documents[0].error);
  REQUIRE(documents[0].json.has_value());
  return *documents[0].json;
}

std::string yaml_error(std::string_view text) {
  const auto documents = parse_yaml(text);
  for (const Document& document : documents)
    if (!document.json) return "line " + std::to_string(document.line) + ": " + document.error;
  return "none";
}

}  // namespace

TEST_CASE("parse_yaml: scalars follow the core schema of YAML 1.2", "[controller]") {
  struct Row {
    std::string_view yaml;
    std::string_view json;
  };
  const Row rows[] = {
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"nULL", "\"nULL\""},
      {"", "null"},
      {"true", "true"},
      {"True", "true"},
      {"FALSE", "false"},
      {"yes", "\"yes\""},
      {"no", "\"no\""},
      {"on", "\"on\""},
      {"off", "\"off\""},
      {"0", "0"},
      {"-12", "-12"},
      {"+12", "12"},
      {"007", "7"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0x", "\"0x\""},
      {"0b1", "\"0b1\""},
      {"1_000", "\"1_000\""},
      {"12:30", "\"12:30\""},
      {"1.5", "1.5"},
      {"-.5", "-0.5"},
      {"1.", "1.0"},
      {"1e3", "1000.0"},
      {"1e", "\"1e\""},
      {".", "\".\""},
      {".inf", "\".inf\""},
      {".nan", "\".nan\""},
      {"+", "\"+\""},
      {"-", "[null]"},
      {"\"80\"", "\"80\""},
      {"'true'", "\"true\""},
      {"'~'", "\"~\""},
      {"!!str 80", "\"80\""},
      {"!!int \"80\"", "80"},
      {"1.2.3.4", "\"1.2.3.4\""},
      {"2026-11-23T10:00:00Z", "\"2026-11-23T10:00:00Z\""},
      {"99999999999999999999", "1e20"},
      {"|\n  80", "\"80\""},
  };
  for (const Row& row : rows) {
    const std::string sequence = row.yaml == "-" ? "v: [~]" : "v: " + std::string(row.yaml);
    INFO(sequence);
    CHECK(one_yaml(sequence)["v"] == json::parse(row.json));
  }
}

TEST_CASE("parse_yaml: quoted numbers stay text as keys and values", "[controller]") {
  const json value = one_yaml("{80: a, '81': b, true: c}");
  CHECK(value == json::parse(R"({"80": "a", "81": "b", "true": "c"})"));
}

TEST_CASE("parse_yaml: documents are told apart, each with its line", "[controller]") {
  const auto documents = parse_yaml(
      "# a comment\n\n---\na: 1\n---\n# nothing here\n---\n\nb: 2\n--- # more\nc: |\n  x\n  --- "
      "y\n...\n---\r\n- d\r\n"
  );
  REQUIRE(documents.size() == 4);
  CHECK(documents[0].number == 1);
  CHECK(documents[0].line == 4);
  CHECK(documents[1].number == 2);
  CHECK(documents[1].line == 9);
  CHECK(documents[2].line == 11);
  CHECK(*documents[2].json == json::parse(R"({"c": "x\n--- y\n"})"));
  CHECK(documents[3].line == 16);
  CHECK(*documents[3].json == json::parse(R"(["d"])"));
  CHECK(parse_yaml("").empty());
  CHECK(parse_yaml("---\n---\n").empty());
  CHECK(parse_yaml("%YAML 1.2\n---\na: 1\n").size() == 1);
}

TEST_CASE("parse_yaml: a broken document does not hide the others", "[controller]") {
  const auto documents = parse_yaml("a: 1\n---\nb: [1\nc: 2\n---\nd: 3\n");
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].json.has_value());
  CHECK_FALSE(documents[1].json.has_value());
  CHECK_FALSE(documents[1].error.empty());
  CHECK(documents[1].number == 2);
  CHECK(documents[1].line >= 3);
  CHECK(documents[1].line <= 5);
  CHECK(*documents[2].json == json::parse(R"({"d": 3})"));
  CHECK(documents[2].line == 6);
}

TEST_CASE("parse_yaml: errors have a line and a reason", "[controller]") {
  CHECK(yaml_error("a: 1\nb: 2\na: 3\n") == "line 3: key \"a\" is given twice");
  CHECK(yaml_error("? [a]\n: 1\n") == "line 1: a key must be text");
  CHECK(yaml_error("a: &x [*x]\n") == "line 1: an alias within what it stands for");
  CHECK(yaml_error("a: *nope\n") != "none");
  CHECK(yaml_error("\ta: 1\n") != "none");
  CHECK(yaml_error("a: \"unfinished\n") != "none");
  CHECK(yaml_error("a: 1\n<<: 7\n") == "line 2: \"<<\" merges maps only");
}

TEST_CASE("parse_yaml: what cannot begin a value is an error", "[controller]") {
  for (const std::string_view text : {",", ",a: b\n", "--- ,\n", "--- a\n...\n,\n"}) {
    INFO(text);
    CHECK(yaml_error(text).ends_with(": no value can begin with this"));
  }
  CHECK(yaml_error("a: b\n---\n, c\n---\nd: e\n") == "line 3: no value can begin with this");
}

TEST_CASE("documents: what is wrong is told in one line", "[controller]") {
  CHECK(yaml_error("\"a\\nb\": 1\n\"a\\nb\": 2\n").find("a\\x0ab") != std::string::npos);
}

TEST_CASE("parse_yaml: aliases and merge keys", "[controller]") {
  CHECK(
      one_yaml("base: &b {x: 1, y: 2}\nlist: [*b]\nmap:\n  <<: *b\n  y: 3\n") ==
      json::parse(
          R"({"base": {"x": 1, "y": 2}, "list": [{"x": 1, "y": 2}], "map": {"x": 1, "y": 3}})"
      )
  );
  CHECK(
      one_yaml("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n")["c"] ==
      json::parse(R"({"x": 1, "y": 2})")
  );
  CHECK(one_yaml("k: &k name\nm: {*k : 1}\n")["m"] == json::parse(R"({"name": 1})"));
  CHECK(one_yaml("{'<<': 1}") == json::parse(R"({"<<": 1})"));
}

TEST_CASE("parse_yaml: bombs are refused quickly", "[controller]") {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "*a" : ",*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  CHECK(yaml_error(bomb).ends_with("too large, its aliases included"));
  CHECK(yaml_error(std::string(200, '[') + std::string(200, ']')).ends_with("nested too deep"));
  CHECK(yaml_error(std::string(100'000, '[')) != "none");
  std::string nested = "a";
  for (int i = 0; i < 90; ++i) nested = "{k: " + nested + "}";
  CHECK(yaml_error(nested) == "none");
}

TEST_CASE("parse_json: values one after the other", "[controller]") {
  const auto documents = parse_json("{\"a\": 1}\n\n[2]\n{\"b\": \"}{\"}");
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].line == 1);
  CHECK(documents[1].line == 3);
  CHECK(documents[2].line == 4);
  CHECK(*documents[2].json == json::parse(R"({"b": "}{"})"));
  CHECK(parse_json(" \n").empty());
}

TEST_CASE("parse_json: errors have a line", "[controller]") {
  const auto documents = parse_json("{\"a\": 1}\n{\n\"b\": ,\n}\n");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].json.has_value());
  CHECK_FALSE(documents[1].json.has_value());
  CHECK(documents[1].number == 2);
  CHECK(documents[1].line == 3);
  CHECK_FALSE(documents[1].error.empty());
  const auto deep = parse_json(std::string(1000, '['));
  REQUIRE(deep.size() == 1);
  CHECK(deep[0].error == "nested too deep");
  CHECK(parse_json("\"[[[[\"")[0].json == json("[[[["));
}

}  // namespace cppx::controller
