#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/http/message.h"
#include "routing/variable/request_variable.h"

namespace cppx::routing {

/// What a pattern may look at.
struct HashInput {
  const RequestHead& request;
  std::string_view client_address;  ///< Without port.
};

/// Text with variables that a request is hashed by, as of upstream-hash-by: `$request_uri`,
/// `${http_x_user}-$remote_addr`. Parsed once; evaluated without memory of its own.
class HashPattern {
 public:
  HashPattern() = default;  ///< Empty: by nothing.

  /// Variables: request_uri, uri, args, query_string, host, remote_addr, binary_remote_addr,
  /// request_method, http_NAME, cookie_NAME, arg_NAME. Nothing for others, for an empty text and
  /// for more than 16 parts.
  static std::optional<HashPattern> parse(std::string_view text);

  [[nodiscard]] bool empty() const noexcept { return parts_.empty(); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  /// Hash of the text the request gives; the same on every machine. Nothing if there are variables
  /// and all of them are empty: such requests have nothing in common.
  [[nodiscard]] std::optional<std::uint64_t> hash(const HashInput& input) const noexcept;

  auto operator<=>(const HashPattern&) const = default;

 private:
  enum class Kind : std::uint8_t { kLiteral, kClientAddress, kRequest };
  struct Part {
    Kind kind = Kind::kLiteral;
    std::string text{};  // of a literal
    RequestVariable variable{};
    auto operator<=>(const Part&) const = default;
  };
  class Sink;

  static std::optional<Part> variable(std::string_view name);

  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace cppx::routing
