#include "features/session_affinity/cookie.h"

#include <fmt/format.h>
#include <system_error>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "features/session_affinity/policy.h"
#include "routing/balance/sip_hash.h"
#include "routing/http/cookie.h"
#include "routing/http/message.h"

namespace cppx::features {
namespace {

constexpr char kSeparator = '|';

// The form of the first cookies, "Mon, 02-Jan-06 15:04:05 GMT", which every browser reads.
void append_date(std::chrono::system_clock::time_point time, std::string& out) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const auto size = std::strftime(text.data(), text.size(), "%a, %d-%b-%y %H:%M:%S GMT", &parts);
  out.append(text.data(), size);
}

bool has(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string_view session_key(
    const routing::HeaderFields& fields, const SessionAffinity& affinity
) noexcept {
  const std::string_view value =
      routing::find_cookie(fields, affinity.cookie_name).value_or(std::string_view());
  return value.substr(0, value.find(kSeparator));
}

std::uint64_t session_hash(std::string_view key) noexcept {
  return routing::sip_hash(routing::SipKey{}, key);
}

SessionKeyText::SessionKeyText(std::uint64_t key) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  for (unsigned i = 0; i < sizeof(digits); ++i) digits[i] = kDigits[key >> (60 - 4 * i) & 15];
}

std::optional<std::uint64_t> parse_session_key(std::string_view text) noexcept {
  std::uint64_t key = 0;
  if (text.size() != sizeof(SessionKeyText::digits)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return key;
}

void append_set_cookie(
    const SessionAffinity& affinity, const SessionCookie& cookie, std::string& out
) {
  out.append(affinity.cookie_name).append("=").append(SessionKeyText(cookie.key).view());
  out.push_back(kSeparator);
  out.append(SessionKeyText(cookie.pool).view());
  if (affinity.expires_seconds) {
    out.append("; Expires=");
    append_date(cookie.now + std::chrono::seconds(*affinity.expires_seconds), out);
  }
  if (affinity.max_age_seconds)
    fmt::format_to(std::back_inserter(out), "; Max-Age={}", *affinity.max_age_seconds);
  if (!affinity.domain.empty()) out.append("; Domain=").append(affinity.domain);
  out.append("; Path=").append(affinity.path);
  if (cookie.tls || affinity.secure) out.append("; Secure");
  out.append("; HttpOnly");
  if (!affinity.same_site) return;
  if (*affinity.same_site == SameSite::kNone && affinity.conditional_same_site_none &&
      !understands_same_site_none(cookie.user_agent))
    return;
  out.append("; SameSite=").append(to_string(*affinity.same_site));
}

bool understands_same_site_none(std::string_view agent) noexcept {
  for (const std::string_view old : {"Chrome/4", "Chrome/5", "Chrome/6"})
    if (has(agent, old)) return false;
  if (has(agent, "iPhone OS 12") || has(agent, "iPad; CPU OS 12")) return false;
  return !(
      has(agent, "Macintosh") && has(agent, "Mac OS X 10_14") && has(agent, "Version/") &&
      has(agent, "Safari") && !has(agent, "Chrome")
  );
}

}  // namespace cppx::features
