#pragma once

#include <optional>
#include <string_view>

namespace cppx::controller {

struct IngressAnnotations;

/// Reads one annotation into its member. Takes the trimmed value, which is not empty, and returns
/// what is wrong with it ("is not a time"), leaving the member as it is, or an empty text.
struct AnnotationReader {
  std::string_view name;
  std::string_view (*read)(IngressAnnotations&, std::string_view);
  std::string_view otherwise = "the default is used";  ///< What is done when something is wrong.
};

/// Sets `to` if there is a value; otherwise the problem.
template <class T>
std::string_view assign_or(
    std::optional<T>& to, const std::optional<T>& value, std::string_view problem
) {
  if (!value) return problem;
  to = value;
  return {};
}

}  // namespace cppx::controller
