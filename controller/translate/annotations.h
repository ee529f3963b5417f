#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "controller/model/objects.h"
#include "controller/translate/affinity_annotations.h"
#include "controller/translate/diagnostic_list.h"
#include "controller/translate/limit_annotations.h"
#include "controller/translate/upstream_annotations.h"
#include "routing/match/route.h"

namespace cppx::controller {

/// The annotations of one Ingress that are understood; absent ones take the ConfigMap's value.
struct IngressAnnotations {
  std::optional<bool> ssl_redirect;
  std::optional<bool> force_ssl_redirect;
  std::optional<bool> preserve_trailing_slash;
  std::optional<routing::BackendProtocol> backend_protocol;
  std::optional<bool> enable_access_log;
  UpstreamAnnotations upstream;
  AffinityAnnotations affinity;
  LimitAnnotations limits;
  std::optional<std::uint8_t> upstream_proxy_protocol;  ///< Version of the header.

  /// Whether the pools of the Ingress need EndpointHashes.
  [[nodiscard]] bool needs_hashes() const {
    return upstream.hash_by.has_value() || affinity.cookie.value_or(false);
  }
};

/// Reads the annotations under `prefix` (without '/'). Bad values and annotations that are not
/// understood are reported and read as absent.
IngressAnnotations read_annotations(
    const Ingress& ingress, std::string_view prefix, DiagnosticList& diagnostics
);

}  // namespace cppx::controller
