#include "controller/translate/annotations.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "controller/model/objects.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/text_values.h"

namespace cppx::controller {
namespace {

struct BoolAnnotation {
  std::string_view name;
  std::optional<bool> IngressAnnotations::* member;
};

constexpr std::array kBoolAnnotations{
    BoolAnnotation{"ssl-redirect", &IngressAnnotations::ssl_redirect},
    BoolAnnotation{"force-ssl-redirect", &IngressAnnotations::force_ssl_redirect},
    BoolAnnotation{"preserve-trailing-slash", &IngressAnnotations::preserve_trailing_slash},
};

}  // namespace

IngressAnnotations read_annotations(
    const Ingress& ingress, std::string_view prefix, DiagnosticList& diagnostics
) {
  IngressAnnotations out;
  const std::string start = std::string(prefix) + "/";
  const auto& all = ingress.meta.annotations;
  for (auto it = all.lower_bound(start); it != all.end() && it->first.starts_with(start); ++it) {
    const std::string_view name = std::string_view(it->first).substr(start.size());
    const std::string_view value = trim(it->second);
    const BoolAnnotation* known = nullptr;
    for (const BoolAnnotation& candidate : kBoolAnnotations)
      if (candidate.name == name) known = &candidate;
    const std::string field = fmt::format("metadata.annotations[\"{}\"]", it->first);
    if (known == nullptr) {
      diagnostics.warn(
          ingress, field, "UnsupportedAnnotation",
          fmt::format("annotation {} is not supported; it is ignored", name)
      );
      continue;
    }
    if (value.empty()) continue;  // an empty string is as good as none
    out.*known->member = parse_go_bool(value);
    if (!(out.*known->member))
      diagnostics.warn(
          ingress, field, "InvalidAnnotation",
          fmt::format("\"{}\" is neither true nor false; the default is used", value)
      );
  }
  return out;
}

}  // namespace cppx::controller
