#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "controller/file/document.h"
#include "controller/file/yaml_builder.h"

namespace cppx::controller {
namespace {

bool is_separator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' ||
                                     line[3] == '\r' || line[3] == '\n');
}

// Length of the text up to the next "---" line (YAML 1.2, 9.1.2: no content can look like one).
std::size_t chunk_length(std::string_view text) {
  std::size_t at = text.find('\n');
  while (at != std::string_view::npos) {
    if (is_separator(text.substr(at + 1))) return at + 1;
    at = text.find('\n', at + 1);
  }
  return text.size();
}

std::size_t lines_in(std::string_view text) {
  std::size_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  return lines;
}

std::size_t line_of(std::size_t first_line, int mark_line) {
  return first_line + (mark_line > 0 ? static_cast<std::size_t>(mark_line) : 0);
}

// The documents of one chunk: one, but for those divided by "..." lines.
void parse_chunk(std::string_view chunk, std::size_t first_line, std::vector<Document>& out) {
  // With its end marked, quoted text that goes on after its last line is an error to yaml-cpp too.
  std::string marked(chunk);
  if (chunk.ends_with('\n')) marked += "...\n";
  std::istringstream in(marked);
  YamlBuilder builder;
  const auto add = [&](std::size_t line) -> Document& {
    Document& document = out.emplace_back();
    document.number = out.size();
    document.line = line;
    return document;
  };
  try {
    YAML::Parser parser(in);
    for (int last_beginning = -1;; last_beginning = builder.beginning().pos) {
      builder = YamlBuilder();
      if (!parser.HandleNextDocument(builder)) return;
      // yaml-cpp reads an empty document before what no value can begin with, for ever.
      if (builder.beginning().pos == last_beginning)
        throw YAML::ParserException(builder.beginning(), "no value can begin with this");
      if (builder.root() && !builder.root()->is_null())
        add(line_of(first_line, builder.line())).json = builder.take_root();
    }
  } catch (const YAML::Exception& error) {
    add(line_of(first_line, error.mark.line)).error = printable(error.msg);
  }
}

}  // namespace

std::vector<Document> parse_yaml(std::string_view text) {
  std::vector<Document> out;
  std::size_t line = 1;
  while (!text.empty()) {
    const std::string_view chunk = text.substr(0, chunk_length(text));
    parse_chunk(chunk, line, out);
    line += lines_in(chunk);
    text.remove_prefix(chunk.size());
  }
  return out;
}

}  // namespace cppx::controller
