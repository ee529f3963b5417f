#include "controller/translate/proxy_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "controller/model/objects.h"
#include "controller/translate/access_log_keys.h"
#include "controller/translate/client_keys.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/settings_reader.h"
#include "controller/translate/text_values.h"
#include "controller/translate/upstream_keys.h"
#include "routing/settings.h"

namespace cppx::controller {
namespace {

using routing::ProxySettings;

template <ProxySettings::Duration ProxySettings::* kMember>
bool duration(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.*kMember, parse_duration(text));
}

// Time to wait for a peer: zero would end every request at once.
template <ProxySettings::Duration ProxySettings::* kMember>
bool positive_duration(GlobalSettings& out, std::string_view text) {
  const auto value = parse_duration(text);
  return value && value->count() > 0 && assign(out.proxy.*kMember, value);
}

template <std::uint32_t ProxySettings::* kMember>
bool count(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.*kMember, parse_int<std::uint32_t>(text));
}

template <bool GlobalSettings::* kMember>
bool boolean(GlobalSettings& out, std::string_view text) {
  return assign(out.*kMember, parse_go_bool(text));
}

bool body_size(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.proxy_body_size_bytes, parse_size_bytes(text));
}

// "4 8k": a request line fits one buffer, the whole head all of them.
bool header_buffers(GlobalSettings& out, std::string_view text) {
  const auto parts = split_list(text, ' ');
  if (parts.size() != 2) return false;
  const auto number = parse_int<std::uint64_t>(parts[0]);
  const auto size = parse_size_bytes(parts[1]);
  constexpr std::uint64_t kMost = 16ULL << 20;
  if (!number || !size || *number == 0 || *size < 256 || *number > kMost / *size) return false;
  out.proxy.client_request_line_bytes = static_cast<std::uint32_t>(*size);
  out.proxy.large_client_header_bytes = static_cast<std::uint32_t>(*size * *number);
  return true;
}

bool redirect_code(GlobalSettings& out, std::string_view text) {
  constexpr std::array<std::uint16_t, 4> kCodes{301, 302, 307, 308};
  const auto code = parse_int<std::uint16_t>(text);
  return code && std::ranges::find(kCodes, *code) != kCodes.end() &&
         assign(out.http_redirect_code, code);
}

bool use_http2(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.use_http2, parse_go_bool(text));
}

bool concurrent_streams(GlobalSettings& out, std::string_view text) {
  const auto value = parse_int<std::uint32_t>(text);
  return value && *value > 0 && assign(out.proxy.http2_max_concurrent_streams, value);
}

bool hsts_max_age(GlobalSettings& out, std::string_view text) {
  return assign(out.hsts_max_age_seconds, parse_int<std::uint64_t>(text));
}

bool no_tls_redirect_locations(GlobalSettings& out, std::string_view text) {
  const auto items = split_list(text);
  out.no_tls_redirect_locations.assign(items.begin(), items.end());
  return true;
}

constexpr std::array kOwnKeys{
    SettingsReader{"client-body-timeout", positive_duration<&ProxySettings::client_body_timeout>},
    SettingsReader{"client-header-timeout", positive_duration<&ProxySettings::client_header_timeout>},
    SettingsReader{"force-ssl-redirect", boolean<&GlobalSettings::force_ssl_redirect>},
    SettingsReader{"hsts", boolean<&GlobalSettings::hsts>},
    SettingsReader{"hsts-include-subdomains", boolean<&GlobalSettings::hsts_include_subdomains>},
    SettingsReader{"hsts-max-age", hsts_max_age},
    SettingsReader{"hsts-preload", boolean<&GlobalSettings::hsts_preload>},
    SettingsReader{"http-redirect-code", redirect_code},
    SettingsReader{"http2-max-concurrent-streams", concurrent_streams},
    SettingsReader{"keep-alive", duration<&ProxySettings::keep_alive>},
    SettingsReader{"keep-alive-requests", count<&ProxySettings::keep_alive_requests>},
    SettingsReader{"large-client-header-buffers", header_buffers},
    SettingsReader{"no-tls-redirect-locations", no_tls_redirect_locations},
    SettingsReader{"preserve-trailing-slash", boolean<&GlobalSettings::preserve_trailing_slash>},
    SettingsReader{"proxy-body-size", body_size},
    SettingsReader{"ssl-redirect", boolean<&GlobalSettings::ssl_redirect>},
    SettingsReader{"strict-validate-path-type", boolean<&GlobalSettings::strict_validate_path_type>},
    SettingsReader{"upstream-keepalive-connections", count<&ProxySettings::upstream_keepalive_connections>},
    SettingsReader{"upstream-keepalive-requests", count<&ProxySettings::upstream_keepalive_requests>},
    SettingsReader{"upstream-keepalive-timeout", duration<&ProxySettings::upstream_keepalive_timeout>},
    SettingsReader{"use-http2", use_http2},
};

const SettingsReader* find_key(std::string_view name) {
  const std::array<std::span<const SettingsReader>, 4> all{
      kOwnKeys, access_log_settings_readers(), client_settings_readers(),
      upstream_settings_readers()
  };
  for (const auto& readers : all)
    for (const SettingsReader& reader : readers)
      if (reader.name == name) return &reader;
  return nullptr;
}

}  // namespace

std::string GlobalSettings::hsts_value() const {
  return fmt::format(
      "max-age={}{}{}", hsts_max_age_seconds, hsts_include_subdomains ? "; includeSubDomains" : "",
      hsts_preload ? "; preload" : ""
  );
}

GlobalSettings read_global_settings(const ConfigMap& config_map, DiagnosticList& diagnostics) {
  GlobalSettings out;
  for (const auto& [name, value] : config_map.data) {
    const std::string field = "data." + name;
    const SettingsReader* key = find_key(name);
    if (key == nullptr) {
      diagnostics.warn(
          config_map, field, "UnsupportedKey",
          fmt::format("key {} is not supported; it is ignored", name)
      );
      continue;
    }
    if (!key->read(out, trim(value)))
      diagnostics.warn(
          config_map, field, "InvalidValue",
          fmt::format("\"{}\" is not a valid value; {}", value, key->otherwise)
      );
  }
  out.access_log.apply(config_map, out.proxy.access_log, diagnostics);
  return out;
}

}  // namespace cppx::controller
