#pragma once

#include <string>

namespace cppx::controller {

/// Which Ingresses are ours (section 3 of the Kubernetes class rules): flags of the same names.
struct ClassOptions {
  std::string ingress_class = "cppx";                           ///< --ingress-class
  std::string controller_class = "cppx.io/ingress-controller";  ///< --controller-class
  bool ingress_class_by_name = false;                           ///< --ingress-class-by-name
  bool watch_ingress_without_class = false;                     ///< --watch-ingress-without-class
  /// Ingresses without class and annotation belong to the default IngressClass. An API server fills
  /// that in when they are created; where there is none (manifests), the translation does.
  bool apply_default_class = false;
};

}  // namespace cppx::controller
