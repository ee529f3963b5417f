#include <algorithm>
#include <cstddef>
#include <ios>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "controller/file/document.h"

namespace cppx::controller {
namespace {

std::size_t line_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  return 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
}

// nlohmann's text without its own tag and position: "... - unexpected '}'; expected ...".
std::string reason_of(const nlohmann::json::exception& error) {
  const std::string_view what = error.what();
  const auto at = what.find(": ");
  return std::string(at == std::string_view::npos ? what : what.substr(at + 2));
}

// Offset of the bracket that nests too deep, counted without reading the text as JSON.
std::optional<std::size_t> find_too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDocumentDepth) return i;
    } else if ((c == ']' || c == '}') && depth != 0) {
      --depth;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<Document> parse_json(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::vector<Document> out;
  if (const auto deep = find_too_deep(text)) {
    out.push_back({.line = line_at(text, *deep), .json = {}, .error = "nested too deep"});
    return out;
  }
  std::istringstream in{std::string(text)};
  for (std::size_t offset = 0;;) {
    const auto start = text.find_first_not_of(kBlank, offset);
    if (start == std::string_view::npos) return out;
    Document& document = out.emplace_back();
    document.number = out.size();
    document.line = line_at(text, start);
    in.clear();
    in.seekg(static_cast<std::streamoff>(start));
    try {
      // A stream is read up to the end of the value only, so that another may follow.
      in >> document.json.emplace();
    } catch (const nlohmann::json::parse_error& error) {
      document.json.reset();
      document.line = line_at(text, start + error.byte);
      document.error = printable(reason_of(error));
      return out;
    }
    in.clear();
    const auto position = in.tellg();
    offset = position < 0 ? text.size() : static_cast<std::size_t>(position);
  }
}

}  // namespace cppx::controller
