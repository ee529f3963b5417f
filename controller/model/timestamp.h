#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cppx::controller {

/// An RFC 3339 time ("2026-11-23T10:00:00Z", with or without a fraction or an offset), to the
/// second. Nothing when it is not one.
std::optional<std::chrono::sys_seconds> parse_timestamp(std::string_view text) noexcept;
/// The same the other way: "2026-11-23T10:00:00Z". Years 0 to 9999.
std::string format_timestamp(std::chrono::sys_seconds time);

}  // namespace cppx::controller
