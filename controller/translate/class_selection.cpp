#include "controller/translate/class_selection.h"

#include <string_view>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_options.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";

// Of several default classes the API server takes the newest one, then the first by name.
const IngressClass* find_default_class(const Store& store) {
  const IngressClass* found = nullptr;
  for (const auto& [key, candidate] : store.ingress_classes()) {
    if (!candidate->is_default) continue;
    if (found == nullptr || candidate->meta.creation_timestamp > found->meta.creation_timestamp)
      found = candidate.get();
  }
  return found;
}

}  // namespace

ClassSelection::ClassSelection(const ClassOptions& options, const Store& store)
    : options_(options), store_(store) {
  if (options.apply_default_class) default_class_ = find_default_class(store);
}

bool ClassSelection::owns(const IngressClass& ingress_class) const {
  return ingress_class.controller == options_.controller_class ||
         (options_.ingress_class_by_name && ingress_class.meta.key.name == options_.ingress_class);
}

ClassVerdict ClassSelection::judge(const Ingress& ingress) const {
  const auto verdict = [](bool ours) {
    return ours ? ClassVerdict::kOurs : ClassVerdict::kNotOurs;
  };
  if (ingress.ingress_class_name && !ingress.ingress_class_name->empty()) {
    const auto& classes = store_.ingress_classes();
    const auto it = classes.find(ObjectKey{"", *ingress.ingress_class_name});
    return it == classes.end() ? ClassVerdict::kNoSuchClass : verdict(owns(*it->second));
  }
  const auto& annotations = ingress.meta.annotations;
  if (const auto it = annotations.find(kClassAnnotation); it != annotations.end())
    return verdict(it->second == options_.ingress_class);
  if (default_class_ != nullptr) return verdict(owns(*default_class_));
  return verdict(options_.watch_ingress_without_class);
}

}  // namespace cppx::controller
