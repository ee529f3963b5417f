#include "controller/translate/client_keys.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/settings_reader.h"
#include "controller/translate/text_values.h"
#include "routing/client/client_trust.h"
#include "routing/client/ip_ranges.h"
#include "routing/settings.h"

namespace cppx::controller {
namespace {

using routing::ClientTrust;
using routing::ProxySettings;

template <bool ClientTrust::* kMember>
bool boolean(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.client_trust.*kMember, parse_go_bool(text));
}

bool header_timeout(GlobalSettings& out, std::string_view text) {
  const auto value = parse_duration(text);
  return value && value->count() > 0 &&
         assign(out.proxy.client_trust.proxy_protocol_header_timeout, value);
}

// The default trusts everybody: it is not what a typing error may lead to.
bool trusted_ranges(GlobalSettings& out, std::string_view text) {
  const auto items = split_list(text);
  if (items.empty()) return true;
  routing::IpRanges ranges;
  bool good = true;
  for (const auto item : items) {
    const auto range = routing::IpRange::parse(item);
    good = good && range.has_value();
    if (range) ranges.add(*range);
  }
  out.proxy.client_trust.trusted = std::move(ranges);
  return good;
}

bool forwarded_for_header(GlobalSettings& out, std::string_view text) {
  const auto ordinary = [](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (text.empty() || text.size() > 64 || !std::ranges::all_of(text, ordinary)) return false;
  out.proxy.client_trust.forwarded_for_header = text;
  return true;
}

template <std::uint32_t ProxySettings::* kMember>
bool process_limit(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.*kMember, parse_int<std::uint32_t>(text));
}

template <std::uint16_t GlobalSettings::* kMember>
bool error_status(GlobalSettings& out, std::string_view text) {
  const auto status = parse_int<std::uint16_t>(text);
  return status && *status >= 400 && *status <= 599 && assign(out.*kMember, status);
}

constexpr std::array kClientKeys{
    SettingsReader{"compute-full-forwarded-for", boolean<&ClientTrust::compute_full_forwarded_for>},
    SettingsReader{"enable-real-ip", boolean<&ClientTrust::enable_real_ip>},
    SettingsReader{"forwarded-for-header", forwarded_for_header},
    SettingsReader{"limit-conn-status-code", error_status<&GlobalSettings::limit_conn_status_code>},
    SettingsReader{"limit-req-status-code", error_status<&GlobalSettings::limit_req_status_code>},
    SettingsReader{"max-worker-connections", process_limit<&ProxySettings::max_worker_connections>},
    SettingsReader{"max-worker-open-files", process_limit<&ProxySettings::max_worker_open_files>},
    SettingsReader{"proxy-protocol-header-timeout", header_timeout},
    SettingsReader{
        "proxy-real-ip-cidr", trusted_ranges, "only those of its items that are ranges are trusted"
    },
    SettingsReader{"use-forwarded-headers", boolean<&ClientTrust::use_forwarded_headers>},
    SettingsReader{"use-proxy-protocol", boolean<&ClientTrust::use_proxy_protocol>},
};

}  // namespace

std::span<const SettingsReader> client_settings_readers() noexcept { return kClientKeys; }

}  // namespace cppx::controller
