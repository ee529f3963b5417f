#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace cppx::controller {

/// One document of a manifest file: its JSON, or what is wrong with its text.
struct Document {
  std::size_t number = 1;              ///< Counted from 1; empty documents do not count.
  std::size_t line = 1;                ///< Of its first content, or of the error; from 1.
  std::optional<nlohmann::json> json;  ///< Nothing when the text is broken.
  std::string error;                   ///< One line, without file and line.
};

/// Nesting that neither YAML nor JSON may exceed; far more than any Kubernetes object has.
inline constexpr std::size_t kMaxDocumentDepth = 100;

/// YAML documents, each read on its own: a broken one does not hide the next. Scalars follow the
/// core schema of YAML 1.2 (10.3.2): quoted text stays text, "yes" and "on" are text. Aliases are
/// copied within limits, merge keys ("<<") are honoured, a key given twice is an error.
std::vector<Document> parse_yaml(std::string_view text);

/// JSON values one after the other. After a broken one nothing more is read.
std::vector<Document> parse_json(std::string_view text);

}  // namespace cppx::controller
