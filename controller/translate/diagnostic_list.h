#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "controller/translate/diagnostic.h"

namespace cppx::controller {

/// Collects the diagnostics of one translation.
class DiagnosticList {
 public:
  template <class T>
  void warn(const T& object, std::string field, std::string reason, std::string message) {
    add(object, std::move(field), std::move(reason), std::move(message), Severity::kWarning);
  }
  /// Part of the object, or all of it, is not served.
  template <class T>
  void error(const T& object, std::string field, std::string reason, std::string message) {
    add(object, std::move(field), std::move(reason), std::move(message), Severity::kError);
  }

  void add(Diagnostic diagnostic) { list_.push_back(std::move(diagnostic)); }

  /// Sorted, without duplicates.
  std::vector<Diagnostic> take() {
    std::ranges::sort(list_);
    const auto rest = std::ranges::unique(list_);
    list_.erase(rest.begin(), rest.end());
    return std::move(list_);
  }

 private:
  template <class T>
  void add(
      const T& object, std::string field, std::string reason, std::string message, Severity severity
  ) {
    list_.push_back(Diagnostic{
        .kind = kKindOf<T>,
        .object = object.meta.key,
        .field = std::move(field),
        .reason = std::move(reason),
        .message = std::move(message),
        .severity = severity
    });
  }

  std::vector<Diagnostic> list_;
};

}  // namespace cppx::controller
