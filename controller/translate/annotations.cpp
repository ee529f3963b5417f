#include "controller/translate/annotations.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "controller/model/objects.h"
#include "controller/translate/affinity_annotations.h"
#include "controller/translate/annotation_reader.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/limit_annotations.h"
#include "controller/translate/text_values.h"
#include "controller/translate/upstream_annotations.h"

namespace cppx::controller {
namespace {

template <std::optional<bool> IngressAnnotations::* kMember>
std::string_view boolean(IngressAnnotations& out, std::string_view text) {
  return assign_or(out.*kMember, parse_go_bool(text), "is neither true nor false");
}

std::string_view backend_protocol(IngressAnnotations& out, std::string_view text) {
  using routing::BackendProtocol;
  std::optional<BackendProtocol> found;
  for (const auto protocol :
       {BackendProtocol::kHttp, BackendProtocol::kHttps, BackendProtocol::kAuto,
        BackendProtocol::kGrpc, BackendProtocol::kGrpcs})
    if (iequals(text, routing::to_string(protocol))) found = protocol;
  return assign_or(out.backend_protocol, found, "is none of HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS");
}

constexpr std::array kOwnAnnotations{
    AnnotationReader{"backend-protocol", backend_protocol},
    AnnotationReader{"enable-access-log", boolean<&IngressAnnotations::enable_access_log>},
    AnnotationReader{"ssl-redirect", boolean<&IngressAnnotations::ssl_redirect>},
    AnnotationReader{"force-ssl-redirect", boolean<&IngressAnnotations::force_ssl_redirect>},
    AnnotationReader{"preserve-trailing-slash", boolean<&IngressAnnotations::preserve_trailing_slash>},
};

const AnnotationReader* find_annotation(std::string_view name) {
  const std::array<std::span<const AnnotationReader>, 4> all{
      kOwnAnnotations, upstream_annotation_readers(), affinity_annotation_readers(),
      limit_annotation_readers()
  };
  for (const auto& readers : all)
    for (const AnnotationReader& reader : readers)
      if (reader.name == name) return &reader;
  return nullptr;
}

// Ours: ingress-nginx sends PROXY headers for its TCP services only.
constexpr std::string_view kUpstreamProxyProtocol = "cppx.io/proxy-protocol";

void read_upstream_proxy_protocol(
    const Ingress& ingress, IngressAnnotations& out, DiagnosticList& diagnostics
) {
  const auto found = ingress.meta.annotations.find(std::string(kUpstreamProxyProtocol));
  if (found == ingress.meta.annotations.end() || trim(found->second).empty()) return;
  const auto refuse = [&](std::string_view problem) {
    diagnostics.warn(
        ingress, fmt::format("metadata.annotations[\"{}\"]", kUpstreamProxyProtocol),
        "InvalidAnnotation",
        fmt::format("\"{}\" {}; no PROXY header is sent", found->second, problem)
    );
  };
  using routing::BackendProtocol;
  const auto protocol = out.backend_protocol.value_or(BackendProtocol::kHttp);
  const auto version = trim(found->second);
  if (version != "v1" && version != "v2")
    refuse("is neither v1 nor v2");
  else if (protocol == BackendProtocol::kGrpc || protocol == BackendProtocol::kGrpcs)
    refuse("is not for GRPC, whose connections are shared by clients");
  else
    out.upstream_proxy_protocol = version == "v1" ? std::uint8_t{1} : std::uint8_t{2};
}

}  // namespace

IngressAnnotations read_annotations(
    const Ingress& ingress, std::string_view prefix, DiagnosticList& diagnostics
) {
  IngressAnnotations out;
  out.limits.zone = hash64(fmt::format("{}/{}", ingress.meta.key.ns, ingress.meta.key.name));
  const std::string start = std::string(prefix) + "/";
  const auto& all = ingress.meta.annotations;
  for (auto it = all.lower_bound(start); it != all.end() && it->first.starts_with(start); ++it) {
    const std::string_view name = std::string_view(it->first).substr(start.size());
    const std::string_view value = trim(it->second);
    const AnnotationReader* reader = find_annotation(name);
    const std::string field = fmt::format("metadata.annotations[\"{}\"]", it->first);
    if (reader == nullptr) {
      diagnostics.warn(
          ingress, field, "UnsupportedAnnotation",
          fmt::format("annotation {} is not supported; it is ignored", name)
      );
      continue;
    }
    if (value.empty()) continue;  // an empty string is as good as none
    if (const auto problem = reader->read(out, value); !problem.empty())
      diagnostics.warn(
          ingress, field, "InvalidAnnotation",
          fmt::format("\"{}\" {}; {}", value, problem, reader->otherwise)
      );
  }
  read_upstream_proxy_protocol(ingress, out, diagnostics);
  return out;
}

}  // namespace cppx::controller
