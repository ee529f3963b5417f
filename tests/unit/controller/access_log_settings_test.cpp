#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "controller/translate/access_log_keys.h"
#include "controller/translate/annotations.h"
#include "controller/translate/proxy_settings.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

using routing::AccessLogSettings;
using routing::LogEscape;

struct Read {
  AccessLogSettings log;
  std::vector<Diagnostic> diagnostics;
};

Read read(const StringMap& data) {
  ConfigMap map;
  map.data = data;
  DiagnosticList list;
  Read out{.log = read_global_settings(map, list).proxy.access_log, .diagnostics = {}};
  out.diagnostics = list.take();
  return out;
}

AccessLogSettings log_of(const StringMap& data) {
  const Read out = read(data);
  CHECK(out.diagnostics.empty());
  return out.log;
}

}  // namespace

TEST_CASE("Access log keys: every one", "[controller]") {
  const StringMap data{
      {"access-log-path", "/logs/a.log"},      {"disable-access-log", "false"},
      {"disable-http-access-log", "false"},    {"enable-access-log-for-default-backend", "true"},
      {"http-access-log-path", "/dev/stderr"}, {"log-format-escape-json", "true"},
      {"log-format-escape-none", "false"},     {"log-format-upstream", R"({"status": "$status"})"},
      {"skip-access-log-urls", "/b, /a?x=1"},
  };
  for (const SettingsReader& reader : access_log_settings_readers()) {
    CAPTURE(reader.name);
    CHECK(data.contains(std::string(reader.name)));
  }
  std::vector<std::string> unknown;
  CHECK(
      log_of(data) ==
      AccessLogSettings{
          .enabled = true,
          .default_backend = true,
          .path = "/dev/stderr",
          .escape = LogEscape::kJson,
          .format = routing::LogFormat::compile(R"({"status": "$status"})", unknown),
          .skip_targets = {"/a?x=1", "/b"},
      }
  );
}

TEST_CASE("Access log keys: where it goes, and whether", "[controller]") {
  CHECK(log_of({}) == AccessLogSettings{});
  CHECK(log_of({{"access-log-path", "/var/log/nginx/access.log"}}).path == "/dev/stdout");
  CHECK(log_of({{"access-log-path", ""}, {"log-format-upstream", ""}}) == AccessLogSettings{});
  CHECK(log_of({{"access-log-path", "/logs/a"}}).path == "/logs/a");
  CHECK(
      log_of({{"access-log-path", "/logs/a"}, {"http-access-log-path", "/var/log/nginx/access.log"}}
      )
          .path == "/dev/stdout"
  );
  CHECK_FALSE(log_of({{"disable-access-log", "true"}}).enabled);
  CHECK_FALSE(log_of({{"disable-http-access-log", "1"}}).enabled);
  CHECK(
      log_of({{"log-format-escape-json", "true"}, {"log-format-escape-none", "true"}}).escape ==
      LogEscape::kNone
  );
}

TEST_CASE("Access log keys: bad values leave the defaults", "[controller]") {
  const StringMap bad{
      {"access-log-path", "access.log"},
      {"disable-access-log", "yes"},
      {"disable-http-access-log", "off"},
      {"enable-access-log-for-default-backend", "x"},
      {"http-access-log-path", "syslog:server=192.0.2.1"},
      {"log-format-escape-json", "x"},
      {"log-format-escape-none", "x"},
  };
  const Read out = read(bad);
  CHECK(out.log == AccessLogSettings{});
  CHECK(out.diagnostics.size() == bad.size());
  CHECK_FALSE(read({{"access-log-path", "/a\nb"}}).diagnostics.empty());
}

TEST_CASE("Access log keys: variables that are not known are named", "[controller]") {
  const Read out = read({{"log-format-upstream", "$status $geoip_city 5$ $geoip_city"}});
  REQUIRE(out.diagnostics.size() == 2);
  CHECK(out.diagnostics[0].reason == "UnknownVariable");
  CHECK(out.diagnostics[0].field == "data.log-format-upstream");
  CHECK(out.diagnostics[0].message == "a $ without a name is written as -");
  CHECK(out.diagnostics[1].message == "variable $geoip_city is not known; it is written as -");
  CHECK(out.log.format.parts().size() == 2);
}

TEST_CASE("Access log annotations: an Ingress has no say about the file", "[controller]") {
  Ingress ingress;
  for (const std::string name : {"access-log-path", "http-access-log-path", "log-format-upstream"})
    ingress.meta.annotations["p/" + name] = "/logs/a";
  ingress.meta.annotations["p/enable-access-log"] = "false";
  DiagnosticList list;
  CHECK(read_annotations(ingress, "p", list).enable_access_log == false);
  const auto diagnostics = list.take();
  CHECK(diagnostics.size() == 3);
  for (const Diagnostic& one : diagnostics) CHECK(one.reason == "UnsupportedAnnotation");
}

}  // namespace cppx::controller
