#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/annotations.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/translate.h"

namespace cppx::controller {

/// An Ingress of ours that may be served, read as far as it goes alone.
struct SelectedIngress {
  std::shared_ptr<const Ingress> ingress;
  IngressAnnotations annotations;
  /// Places in spec.rules by host, "_" for those without one. Rules with a bad host are left out.
  std::map<std::string, std::vector<std::size_t>> hosts;

  /// Only lends its backend to requests that no host takes.
  [[nodiscard]] bool is_catch_all() const {
    return ingress->rules.empty() && ingress->default_backend.has_value();
  }
};

/// Nothing where the Ingress is not of ours, or refused as a whole, which is reported.
std::optional<SelectedIngress> select_ingress(
    const std::shared_ptr<const Ingress>& ingress, const ClassSelection& classes,
    const TranslateOptions& options, const GlobalSettings& settings, DiagnosticList& diagnostics
);

/// Order of precedence: the oldest first, and of those made in the same second the last by
/// "namespace/name".
bool comes_first(const SelectedIngress& a, const SelectedIngress& b);

}  // namespace cppx::controller
