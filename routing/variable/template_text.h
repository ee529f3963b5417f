#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cppx::routing {

/// A piece of a text with variables, as nginx writes them.
struct TemplatePiece {
  enum class Kind : std::uint8_t {
    kLiteral,   ///< `text` as it is.
    kVariable,  ///< `text` is a name, of "$name" or "${name}".
    kNoName,    ///< A '$' that no name follows; `text` is the '$'.
  };
  Kind kind = Kind::kLiteral;
  std::string_view text;
};

/// Takes the first piece off `text`; nothing at its end.
std::optional<TemplatePiece> take_piece(std::string_view& text) noexcept;

}  // namespace cppx::routing
