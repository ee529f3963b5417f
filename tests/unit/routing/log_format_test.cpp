#include "routing/log/log_format.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "routing/log/access_log_settings.h"

namespace cppx::routing {
namespace {

using Names = std::vector<std::string>;

/// The form of a format in one text: literals as they are, variables as their number in braces.
std::string shape(std::string_view text, const Names& unknown = {}) {
  Names found;
  std::string out;
  const LogFormat format = LogFormat::compile(text, found);
  for (const LogFormat::Part& part : format.parts())
    out += part.variable == LogVariable::kLiteral
               ? part.text
               : "{" + std::to_string(static_cast<int>(part.variable)) + part.request.name + "}";
  CHECK(found == unknown);
  return out;
}

std::string number_of(LogVariable variable) { return std::to_string(static_cast<int>(variable)); }

}  // namespace

TEST_CASE("LogFormat: literals and variables, with braces and without", "[routing]") {
  const std::string status = "{" + number_of(LogVariable::kStatus) + "}";
  CHECK(shape("") == "");
  CHECK(shape("plain text") == "plain text");
  CHECK(shape("$status") == status);
  CHECK(shape("a${status}b$status c") == "a" + status + "b" + status + " c");
  CHECK(shape("$STATUS") == status);
  const std::string request = number_of(LogVariable::kRequestVariable);
  CHECK(shape("$http_user_agent") == "{" + request + "user_agent}");
  CHECK(shape("$cookie_a") == "{" + request + "a}");
  CHECK(shape("$content_type") == "{" + request + "content_type}");
}

TEST_CASE("LogFormat: what is not known is a hyphen and is named", "[routing]") {
  CHECK(shape("a$nothing-b", {"nothing"}) == "a--b");
  CHECK(shape("${geoip_city} $statusx", {"geoip_city", "statusx"}) == "- -");
  CHECK(shape("$", {"$"}) == "-");
  CHECK(shape("10$ ${status", {"$", "$"}) == "10- -{status");
  CHECK(shape("$http_", {"http_"}) == "-");
}

TEST_CASE("LogFormat: the usual one is that of ingress-nginx", "[routing]") {
  const LogFormat usual = LogFormat::usual();
  CHECK(usual.parts().size() == 33);
  CHECK_FALSE(usual.uses_tls());
  CHECK(AccessLogSettings{}.format == usual);
  Names unknown;
  CHECK(LogFormat::compile("$ssl_protocol", unknown).uses_tls());
}

TEST_CASE("AccessLogSettings: whole targets are skipped", "[routing]") {
  AccessLogSettings settings;
  CHECK_FALSE(settings.skips("/healthz"));
  settings.skip_targets = {"/healthz", "/ready?full=1"};
  CHECK(settings.skips("/healthz"));
  CHECK(settings.skips("/ready?full=1"));
  CHECK_FALSE(settings.skips("/ready"));
  CHECK_FALSE(settings.skips("/healthz/"));
}

}  // namespace cppx::routing
