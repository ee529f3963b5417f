#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cppx::controller {

/// Go's forms of a boolean: 1 t T TRUE true True, 0 f F FALSE false False. Nothing for others.
std::optional<bool> parse_go_bool(std::string_view text) noexcept;

/// "60" (seconds), "500ms", "60s", "5m", "1h". Nothing for others, and for more than a year.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept;

/// nginx sizes: "1024", "8k", "1m", "2g", any case. Nothing for others.
std::optional<std::uint64_t> parse_size_bytes(std::string_view text) noexcept;

}  // namespace cppx::controller
