#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "features/session_affinity/policy.h"
#include "routing/http/message.h"

namespace cppx::features {

/// The key that the session's cookie carries: what stands before its '|'. Empty when the client has
/// no such cookie, or an empty one.
std::string_view session_key(
    const routing::HeaderFields& fields, const SessionAffinity& affinity
) noexcept;

/// The hash that a key of a balanced session is balanced by; the same on every machine.
std::uint64_t session_hash(std::string_view key) noexcept;

/// The key as text: 16 hexadecimal digits.
struct SessionKeyText {
  explicit SessionKeyText(std::uint64_t key) noexcept;
  [[nodiscard]] std::string_view view() const noexcept { return {digits, sizeof(digits)}; }
  char digits[16];
};
/// And back; nothing when it is not the text of one.
std::optional<std::uint64_t> parse_session_key(std::string_view text) noexcept;

/// What a Set-Cookie line depends on beside the policy.
struct SessionCookie {
  std::uint64_t key = 0;
  std::uint64_t pool = 0;  ///< Tells the Services of a primary and its canaries apart.
  bool tls = false;
  std::string_view user_agent{};
  std::chrono::system_clock::time_point now{};
};

/// Appends the value of the Set-Cookie field (RFC 6265 4.1), always HttpOnly.
void append_set_cookie(
    const SessionAffinity& affinity, const SessionCookie& cookie, std::string& out
);

/// Whether the browser understands SameSite=None as it is meant; true without a User-Agent.
bool understands_same_site_none(std::string_view user_agent) noexcept;

}  // namespace cppx::features
