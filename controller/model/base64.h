#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cppx::controller {

/// Decodes standard base64 with padding (RFC 4648 section 4) as Secrets have it; line ends within
/// are skipped. Nothing when it is not valid.
std::optional<std::string> decode_base64(std::string_view text);
/// The same without line ends.
std::string encode_base64(std::string_view bytes);

}  // namespace cppx::controller
