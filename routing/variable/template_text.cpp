#include "routing/variable/template_text.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace cppx::routing {
namespace {

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

TemplatePiece take(
    std::string_view& text, TemplatePiece::Kind kind, std::size_t begin, std::size_t size,
    std::size_t taken
) noexcept {
  const TemplatePiece piece{.kind = kind, .text = text.substr(begin, size)};
  text.remove_prefix(taken);
  return piece;
}

}  // namespace

std::optional<TemplatePiece> take_piece(std::string_view& text) noexcept {
  using Kind = TemplatePiece::Kind;
  if (text.empty()) return std::nullopt;
  if (text.front() != '$') {
    const std::size_t size = std::min(text.find('$'), text.size());
    return take(text, Kind::kLiteral, 0, size, size);
  }
  const bool braces = text.substr(1).starts_with('{');
  const std::size_t begin = braces ? 2 : 1;
  std::size_t end = begin;
  while (end < text.size() && is_name_character(text[end])) ++end;
  if (end == begin || (braces && (end == text.size() || text[end] != '}')))
    return take(text, Kind::kNoName, 0, 1, 1);
  return take(text, Kind::kVariable, begin, end - begin, end + (braces ? 1 : 0));
}

}  // namespace cppx::routing
