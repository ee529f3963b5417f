#include "controller/translate/upstream_keys.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/text.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/settings_reader.h"
#include "controller/translate/text_values.h"
#include "features/load_balancing/policy.h"
#include "features/upstream_retries/policy.h"
#include "routing/balance/balance_policy.h"
#include "routing/settings.h"
#include "routing/upstream/retry_policy.h"
#include "routing/upstream/upstream_timeouts.h"

namespace cppx::controller {
namespace {

using routing::ProxySettings;
using std::chrono::milliseconds;

// Of a part of ProxySettings, its member.
template <auto kPart, auto kMember>
bool duration(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.*kPart.*kMember, parse_duration(text));
}

// Time to wait for a peer: zero would end every request at once.
template <auto kPart, auto kMember>
bool positive_duration(GlobalSettings& out, std::string_view text) {
  const auto value = parse_duration(text);
  return value && value->count() > 0 && assign(out.proxy.*kPart.*kMember, value);
}

template <auto kPart, auto kMember>
bool count(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.*kPart.*kMember, parse_int<std::uint32_t>(text));
}

bool next_upstream(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.next_upstream.conditions, features::parse_retry_conditions(text));
}

bool load_balance(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.load_balance, features::parse_balance_algorithm(text));
}

bool slow_start(GlobalSettings& out, std::string_view text) {
  return assign(out.proxy.upstream_slow_start, parse_duration(text));
}

using routing::EjectionSettings;
using routing::EndpointLimits;
using routing::RetryBudgetSettings;
using routing::RetryPolicy;
using routing::UpstreamTimeouts;
constexpr auto kTimeouts = &ProxySettings::upstream_timeouts;
constexpr auto kRetry = &ProxySettings::next_upstream;
constexpr auto kBudget = &ProxySettings::retry_budget;
constexpr auto kEjection = &ProxySettings::ejection;
constexpr auto kLimits = &ProxySettings::endpoint_limits;

constexpr std::array kUpstreamKeys{
    SettingsReader{"load-balance", load_balance},
    SettingsReader{"proxy-connect-timeout", positive_duration<kTimeouts, &UpstreamTimeouts::connect>},
    SettingsReader{"proxy-next-upstream", next_upstream},
    SettingsReader{"proxy-next-upstream-timeout", duration<kRetry, &RetryPolicy::total>},
    SettingsReader{"proxy-next-upstream-tries", count<kRetry, &RetryPolicy::tries>},
    SettingsReader{"proxy-read-timeout", positive_duration<kTimeouts, &UpstreamTimeouts::read>},
    SettingsReader{"proxy-send-timeout", positive_duration<kTimeouts, &UpstreamTimeouts::send>},
    SettingsReader{"retry-budget-least", count<kBudget, &RetryBudgetSettings::least_per_second>},
    SettingsReader{"retry-budget-percent", count<kBudget, &RetryBudgetSettings::percent>},
    SettingsReader{"upstream-ejection-failures", count<kEjection, &EjectionSettings::failures>},
    SettingsReader{"upstream-ejection-longest", positive_duration<kEjection, &EjectionSettings::longest>},
    SettingsReader{"upstream-ejection-return", duration<kEjection, &EjectionSettings::return_time>},
    SettingsReader{"upstream-ejection-time", positive_duration<kEjection, &EjectionSettings::first>},
    SettingsReader{"upstream-max-connections", count<kLimits, &EndpointLimits::connections>},
    SettingsReader{"upstream-max-pending", count<kLimits, &EndpointLimits::pending>},
    SettingsReader{"upstream-slow-start", slow_start},
};

}  // namespace

std::span<const SettingsReader> upstream_settings_readers() noexcept { return kUpstreamKeys; }

}  // namespace cppx::controller
