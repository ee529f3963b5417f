#pragma once

#include <cstdint>
#include <string_view>

namespace cppx::proxy::http1 {

/// The reason phrase that the registry of HTTP status codes has for a status (RFC 9110 15); empty
/// where it has none.
std::string_view registered_reason(std::uint16_t status) noexcept;

}  // namespace cppx::proxy::http1
