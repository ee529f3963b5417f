#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "routing/http/message.h"

namespace cppx::routing {

enum class CookieNames : std::uint8_t { kExact, kAnyCase };

/// Value of the first cookie of that name in the Cookie fields (RFC 6265 4.2), as it was sent;
/// nothing when there is none.
std::optional<std::string_view> find_cookie(
    const HeaderFields& fields, std::string_view name, CookieNames names = CookieNames::kExact
) noexcept;

}  // namespace cppx::routing
