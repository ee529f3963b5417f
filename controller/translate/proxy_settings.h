#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/model/objects.h"
#include "controller/translate/access_log_keys.h"
#include "controller/translate/diagnostic_list.h"
#include "routing/settings.h"

namespace cppx::controller {

/// What the ConfigMap named by --configmap decides, with ingress-nginx's keys and defaults.
struct GlobalSettings {
  routing::ProxySettings proxy;
  bool ssl_redirect = true;
  bool force_ssl_redirect = false;
  bool preserve_trailing_slash = false;
  std::uint16_t http_redirect_code = 308;
  bool hsts = true;
  std::uint64_t hsts_max_age_seconds = 31536000;
  bool hsts_include_subdomains = true;
  bool hsts_preload = false;
  bool strict_validate_path_type = true;
  AccessLogKeys access_log;                    ///< What `proxy.access_log` has been made of.
  std::uint16_t limit_req_status_code = 503;   ///< Too many requests.
  std::uint16_t limit_conn_status_code = 503;  ///< Too many at the same time.
  /// Ingress paths that start with one of these are never redirected to https.
  std::vector<std::string> no_tls_redirect_locations{"/.well-known/acme-challenge"};

  [[nodiscard]] std::string hsts_value() const;  ///< "max-age=31536000; includeSubDomains"
};

/// Reads the ConfigMap. A bad value is reported and the default kept; so are keys that are not
/// understood.
GlobalSettings read_global_settings(const ConfigMap& config_map, DiagnosticList& diagnostics);

}  // namespace cppx::controller
