#include "controller/translate/diagnostic_book.h"

#include <memory>
#include <utility>

#include "controller/translate/diagnostic.h"

namespace cppx::controller {

void DiagnosticBook::replace(List& said, List now) {
  if (said == now) return;
  for (const Diagnostic& diagnostic : now) add(diagnostic);
  for (const Diagnostic& diagnostic : said) remove(diagnostic);
  said = std::move(now);
}

void DiagnosticBook::add(const Diagnostic& diagnostic) {
  if (++counts_[diagnostic] == 1) all_ = nullptr;
}

void DiagnosticBook::remove(const Diagnostic& diagnostic) {
  const auto it = counts_.find(diagnostic);
  if (it == counts_.end() || --it->second > 0) return;
  counts_.erase(it);
  all_ = nullptr;
}

std::shared_ptr<const DiagnosticBook::List> DiagnosticBook::all() {
  if (all_ != nullptr) return all_;
  List list;
  list.reserve(counts_.size());
  for (const auto& [diagnostic, count] : counts_) list.push_back(diagnostic);
  all_ = std::make_shared<const List>(std::move(list));
  return all_;
}

}  // namespace cppx::controller
