#include "controller/translate/selection.h"

#include <fmt/format.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/annotations.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/names.h"
#include "controller/translate/paths.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/translate.h"
#include "routing/match/route.h"

namespace cppx::controller {
namespace {

bool is_ours(const ClassSelection& classes, const Ingress& ingress, DiagnosticList& diagnostics) {
  const ClassVerdict verdict = classes.judge(ingress);
  if (verdict == ClassVerdict::kNoSuchClass)
    diagnostics.warn(
        ingress, "spec.ingressClassName", "IngressClassNotFound",
        fmt::format(
            "IngressClass {} does not exist; nobody serves this", *ingress.ingress_class_name
        )
    );
  return verdict == ClassVerdict::kOurs;
}

// A path that makes the whole Ingress refused.
bool has_refused_path(const Ingress& ingress, bool strict, DiagnosticList& diagnostics) {
  bool refused = false;
  for (std::size_t i = 0; i < ingress.rules.size(); ++i) {
    const auto& paths = ingress.rules[i].paths;
    for (std::size_t j = 0; j < paths.size(); ++j) {
      const IngressPath& path = paths[j];
      if (path.path.empty()) continue;
      const bool free = path.path_type == routing::PathType::kImplementationSpecific || !strict;
      const bool suspicious = is_suspicious_path(path.path);
      if (!suspicious && (free || is_strict_path(path.path))) continue;
      refused = true;
      diagnostics.error(
          ingress, fmt::format("spec.rules[{}].http.paths[{}].path", i, j), "PathRefused",
          fmt::format(
              "\"{}\" {}; the whole Ingress is left out", path.path,
              suspicious ? "is refused by inspection"
                         : "has characters that an Exact or Prefix path may not have "
                           "(strict-validate-path-type)"
          )
      );
    }
  }
  return refused;
}

std::map<std::string, std::vector<std::size_t>> rules_by_host(
    const Ingress& ingress, DiagnosticList& diagnostics
) {
  std::map<std::string, std::vector<std::size_t>> out;
  for (std::size_t i = 0; i < ingress.rules.size(); ++i) {
    const std::string& host = ingress.rules[i].host;
    if (const auto name = normalize_ingress_host(host))
      out[*name].push_back(i);
    else
      diagnostics.error(
          ingress, fmt::format("spec.rules[{}].host", i), "InvalidHost",
          fmt::format("\"{}\" is not a host name; the rule is left out", host)
      );
  }
  return out;
}

}  // namespace

std::optional<SelectedIngress> select_ingress(
    const std::shared_ptr<const Ingress>& ingress, const ClassSelection& classes,
    const TranslateOptions& options, const GlobalSettings& settings, DiagnosticList& diagnostics
) {
  if (!is_ours(classes, *ingress, diagnostics)) return std::nullopt;
  if (options.disable_catch_all && ingress->default_backend) {
    diagnostics.error(
        *ingress, "spec.defaultBackend", "CatchAllDisabled",
        "default backends are switched off by --disable-catch-all; the whole Ingress is left out"
    );
    return std::nullopt;
  }
  if (has_refused_path(*ingress, settings.strict_validate_path_type, diagnostics))
    return std::nullopt;
  return SelectedIngress{
      .ingress = ingress,
      .annotations = read_annotations(*ingress, options.annotations_prefix, diagnostics),
      .hosts = rules_by_host(*ingress, diagnostics),
  };
}

bool comes_first(const SelectedIngress& a, const SelectedIngress& b) {
  const ObjectMeta& left = a.ingress->meta;
  const ObjectMeta& right = b.ingress->meta;
  if (left.creation_timestamp != right.creation_timestamp)
    return left.creation_timestamp < right.creation_timestamp;
  return left.key.to_string() > right.key.to_string();
}

}  // namespace cppx::controller
