#pragma once

#include <string_view>

namespace cppx::proxy::http2 {

/// What a client that speaks HTTP/2 sends first (RFC 9113 3.4).
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection that began with `start` may still turn out to be HTTP/2: `start` is the
/// preface, the beginning of it (nothing, too), or begins with it.
constexpr bool could_be_preface(std::string_view start) noexcept {
  return start.size() < kPreface.size() ? kPreface.starts_with(start) : start.starts_with(kPreface);
}

/// Whether the whole preface has come.
constexpr bool is_preface(std::string_view start) noexcept { return start.starts_with(kPreface); }

}  // namespace cppx::proxy::http2
