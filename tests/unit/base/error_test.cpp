#include "base/error.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>

namespace cppx {
namespace {

TEST_CASE("Errc: every code has a name of its own", "[base]") {
  std::set<std::string_view> names;
  constexpr auto kCodes = static_cast<unsigned>(Errc::kCancelled) + 1;
  for (unsigned code = 0; code < kCodes; ++code) names.insert(to_string(static_cast<Errc>(code)));
  CHECK(names.size() == kCodes);
  CHECK_FALSE(names.contains("unknown"));
  CHECK(to_string(static_cast<Errc>(kCodes)) == "unknown");
}

TEST_CASE("config_error: of the configuration, not retryable, detail kept", "[base]") {
  const Error error = config_error(Errc::kNotFound, "no such file: a.yaml");
  CHECK(error.code == Errc::kNotFound);
  CHECK(error.source == ErrorSource::kConfig);
  CHECK_FALSE(error.retryable);
  CHECK(error.detail == "no such file: a.yaml");
}

TEST_CASE("Result: holds a value or an error", "[base]") {
  const Result<int> good = 7;
  REQUIRE(good.has_value());
  CHECK(*good == 7);
  const Result<int> bad = config_error(Errc::kParse, "line 3");
  REQUIRE(bad.has_error());
  CHECK(bad.error().detail == "line 3");
}

TEST_CASE("Result: taking the value of a failed one ends the process and says why", "[base]") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not the reporter of the test framework
    dup2(ends[1], STDERR_FILENO);
    const Result<int> bad = config_error(Errc::kParse, "line 3 of a.yaml");
    const int value = bad.value();
    _exit(value);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 256> buffer{};
  for (ssize_t count = 0; (count = read(ends[0], buffer.data(), buffer.size())) > 0;)
    said.append(buffer.data(), static_cast<std::size_t>(count));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(said.find("line 3 of a.yaml") != std::string::npos);
}

}  // namespace
}  // namespace cppx
