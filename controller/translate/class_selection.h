#pragma once

#include <cstdint>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_options.h"

namespace cppx::controller {

enum class ClassVerdict : std::uint8_t {
  kOurs,
  kNotOurs,
  kNoSuchClass,  ///< spec.ingressClassName names no IngressClass: nobody serves it.
};

/// Decides whether an Ingress is served by this controller, by the IngressClasses in the store: the
/// field spec.ingressClassName, else the annotation kubernetes.io/ingress.class, else
/// --watch-ingress-without-class. Borrows both for one translation.
class ClassSelection {
 public:
  ClassSelection(const ClassOptions& options, const Store& store);

  [[nodiscard]] ClassVerdict judge(const Ingress& ingress) const;

 private:
  [[nodiscard]] bool owns(const IngressClass& ingress_class) const;

  const ClassOptions& options_;
  const Store& store_;
  const IngressClass* default_class_ = nullptr;
};

}  // namespace cppx::controller
