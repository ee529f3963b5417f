#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace cppx {
namespace {

/// What `body` writes to the log, as started by main with these settings.
std::string logged(log::Level least, bool json, const std::function<void()>& body) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const int saved = dup(STDERR_FILENO);
  REQUIRE(saved >= 0);
  REQUIRE(dup2(fileno(file), STDERR_FILENO) >= 0);
  log::start(least, json);
  body();
  REQUIRE(log::stop());
  REQUIRE(dup2(saved, STDERR_FILENO) >= 0);
  close(saved);

  std::string text;
  std::array<char, 4096> buffer{};
  std::rewind(file);
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), file)) > 0;)
    text.append(buffer.data(), count);
  std::fclose(file);
  return text;
}

TEST_CASE("log: a line has time in UTC, level and message", "[base]") {
  const std::string text =
      logged(log::Level::kDebug, false, [] { log::info("{} routes of {}", 3, "web"); });
  const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info 3 routes of web\n)");
  CHECK(std::regex_match(text, form));
}

TEST_CASE("log: levels below the least one are not written", "[base]") {
  const std::string text = logged(log::Level::kWarning, false, [] {
    log::debug("one");
    log::info("two");
    log::warning("three");
    log::error("four");
    CHECK(log::enabled(log::Level::kWarning));
    CHECK_FALSE(log::enabled(log::Level::kInfo));
  });
  CHECK(split_list(text, '\n').size() == 2);
  CHECK(text.find(" warning three\n") != std::string::npos);
  CHECK(text.find(" error four\n") != std::string::npos);
}

TEST_CASE("log: before start and after stop messages go nowhere", "[base]") {
  CHECK_FALSE(log::enabled(log::Level::kError));
  log::error("nobody listens");
  const std::string text = logged(log::Level::kDebug, false, [] {});
  CHECK(text.empty());
  log::error("nobody listens");
  CHECK_FALSE(log::enabled(log::Level::kError));
  REQUIRE(log::stop());
}

TEST_CASE("log: control characters cannot forge lines nor drive a terminal", "[base]") {
  using namespace std::string_view_literals;
  const struct {
    std::string_view message, written;
  } cases[] = {
      {"a\nb"sv, R"(a\x0ab)"sv},
      {"a\r\nerror forged"sv, R"(a\x0d\x0aerror forged)"sv},
      {"\x1b[31mred\x7f"sv, R"(\x1b[31mred\x7f)"sv},
      {"nul\0end"sv, R"(nul\x00end)"sv},
      {"tab\t"sv, R"(tab\x09)"sv},
      {"next\xc2\x85line"sv, "next\xc2\\x85line"sv},
      {"csi \x9b"
       "2J"sv,
       "csi \\x9b"
       "2J"sv},
      {"Grüße, 世界"sv, "Grüße, 世界"sv},
      {"{} {0} %v %Y"sv, "{} {0} %v %Y"sv},
  };
  for (const auto& c : cases) {
    const std::string text =
        logged(log::Level::kDebug, false, [&] { log::write(log::Level::kInfo, c.message); });
    CAPTURE(text, c.written);
    CHECK(text.ends_with(" info " + std::string(c.written) + "\n"));
    CHECK(text.find('\n') == text.size() - 1);
  }
}

TEST_CASE("log: JSON lines hold any message as a string", "[base]") {
  using namespace std::string_view_literals;
  const std::string_view messages[] = {
      "plain"sv, "a\nb"sv, R"(","level":"error)"sv, "back\\slash"sv, "nul\0end"sv,
      "{} %v"sv, "世界"sv,
  };
  for (const auto message : messages) {
    const std::string text =
        logged(log::Level::kDebug, true, [&] { log::write(log::Level::kWarning, message); });
    CAPTURE(text);
    REQUIRE(text.find('\n') == text.size() - 1);
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    REQUIRE(line.is_object());
    CHECK(line.size() == 3);
    CHECK(line.value("level", "") == "warning");
    CHECK(line.value("message", "") == message);
    CHECK(line.contains("time"));
  }
  const std::string broken =
      logged(log::Level::kDebug, true, [] { log::write(log::Level::kInfo, "bad \xff utf-8"); });
  CHECK(nlohmann::json::parse(broken, nullptr, false).value("message", "") == "bad \uFFFD utf-8");
}

TEST_CASE("log: lines of several threads come whole, none is lost", "[base]") {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  const std::string text = logged(log::Level::kInfo, false, [] {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < kLines; ++i) log::info("thread {} line {} end", t, i);
      });
    for (std::thread& thread : threads) thread.join();
  });
  const auto lines = split_list(text, '\n');
  CHECK(lines.size() == kThreads * kLines);
  for (const auto line : lines) CHECK(line.ends_with(" end"));
}

}  // namespace
}  // namespace cppx
