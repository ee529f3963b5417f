#pragma once

#include <cstdint>
#include <string_view>

namespace cppx::proxy::proxy_protocol {

/// CRC-32C (Castagnoli; RFC 4960 appendix B) of `bytes` after what `crc` is the sum of.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) noexcept;

}  // namespace cppx::proxy::proxy_protocol
