#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "controller/translate/diagnostic.h"

namespace cppx::controller {

/// What the parts of a translation have to say, kept up while parts change. Several parts may say
/// the same: it is gone when the last of them no longer does.
class DiagnosticBook {
 public:
  using List = std::vector<Diagnostic>;

  /// A part that has said `said` says `now` instead; `said` becomes that.
  void replace(List& said, List now);

  /// Sorted, without duplicates; the same object while nothing changed. Never null.
  std::shared_ptr<const List> all();

 private:
  void add(const Diagnostic& diagnostic);
  void remove(const Diagnostic& diagnostic);

  std::map<Diagnostic, std::size_t> counts_;
  std::shared_ptr<const List> all_;  // null: to be made
};

}  // namespace cppx::controller
