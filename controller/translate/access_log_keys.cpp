#include "controller/translate/access_log_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/settings_reader.h"
#include "controller/translate/text_values.h"
#include "routing/log/access_log_settings.h"
#include "routing/log/log_format.h"

namespace cppx::controller {
namespace {

// Where ingress-nginx has a link to standard output.
constexpr std::string_view kUsualPath = "/var/log/nginx/access.log";
constexpr std::size_t kLongestPath = 1024;

template <bool AccessLogKeys::* kMember>
bool boolean(GlobalSettings& out, std::string_view text) {
  return assign(out.access_log.*kMember, parse_go_bool(text));
}

template <std::optional<std::string> AccessLogKeys::* kMember>
bool path(GlobalSettings& out, std::string_view text) {
  if (text.empty()) return true;
  const bool good = text.starts_with('/') && text.size() <= kLongestPath &&
                    std::ranges::none_of(text, [](unsigned char c) { return c < ' '; });
  if (good) out.access_log.*kMember = text;
  return good;
}

bool format(GlobalSettings& out, std::string_view text) {
  if (!text.empty()) out.access_log.format = text;
  return true;
}

bool default_backend(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.access_log.default_backend, parse_go_bool(text));
}

bool skip_urls(GlobalSettings& out, std::string_view text) {
  const auto items = split_list(text);
  auto& targets = out.proxy.access_log.skip_targets;
  targets.assign(items.begin(), items.end());
  std::ranges::sort(targets);
  return true;
}

constexpr std::array kAccessLogReaders{
    SettingsReader{"access-log-path", path<&AccessLogKeys::path>},
    SettingsReader{"disable-access-log", boolean<&AccessLogKeys::disabled>},
    SettingsReader{"disable-http-access-log", boolean<&AccessLogKeys::http_disabled>},
    SettingsReader{"enable-access-log-for-default-backend", default_backend},
    SettingsReader{"http-access-log-path", path<&AccessLogKeys::http_path>},
    SettingsReader{"log-format-escape-json", boolean<&AccessLogKeys::escape_json>},
    SettingsReader{"log-format-escape-none", boolean<&AccessLogKeys::escape_none>},
    SettingsReader{"log-format-upstream", format},
    SettingsReader{"skip-access-log-urls", skip_urls},
};

}  // namespace

void AccessLogKeys::apply(
    const ConfigMap& config_map, routing::AccessLogSettings& out, DiagnosticList& diagnostics
) const {
  out.enabled = !disabled && !http_disabled;
  if (const auto& given = http_path ? http_path : path; given && *given != kUsualPath)
    out.path = *given;
  if (escape_none)
    out.escape = routing::LogEscape::kNone;
  else if (escape_json)
    out.escape = routing::LogEscape::kJson;
  if (!format) return;
  std::vector<std::string> unknown;
  out.format = routing::LogFormat::compile(*format, unknown);
  for (const std::string& name : unknown)
    diagnostics.warn(
        config_map, "data.log-format-upstream", "UnknownVariable",
        name == "$" ? std::string("a $ without a name is written as -")
                    : fmt::format("variable ${} is not known; it is written as -", name)
    );
}

std::span<const SettingsReader> access_log_settings_readers() noexcept { return kAccessLogReaders; }

}  // namespace cppx::controller
