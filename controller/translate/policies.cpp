#include "controller/translate/policies.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "controller/translate/proxy_settings.h"
#include "features/https_redirect/policy.h"
#include "features/strict_transport_security/policy.h"
#include "routing/policy.h"

namespace cppx::controller {
namespace {

using features::HttpsRedirectPolicy;
using features::StrictTransportSecurityPolicy;

bool redirects(const GlobalSettings& settings, const PolicyInput& input) {
  if (input.annotations == nullptr) return false;
  const bool exempt =
      std::ranges::any_of(settings.no_tls_redirect_locations, [&](const std::string& location) {
        return input.path.starts_with(location);
      });
  if (exempt) return false;
  if (input.annotations->force_ssl_redirect.value_or(settings.force_ssl_redirect)) return true;
  return input.host_has_tls && input.annotations->ssl_redirect.value_or(settings.ssl_redirect);
}

}  // namespace

void PolicyMaker::begin(const GlobalSettings& settings) {
  settings_ = &settings;
  upstream_.begin();
  limits_.begin();
  if (!settings.hsts) {
    hsts_ = nullptr;
    return;
  }
  std::string value = settings.hsts_value();
  if (hsts_ != nullptr && hsts_->value == value) return;
  auto policy = std::make_shared<StrictTransportSecurityPolicy>();
  policy->value = std::move(value);
  hsts_ = std::move(policy);
}

routing::PolicySet PolicyMaker::policies_of(const PolicyInput& input) {
  routing::PolicySet out;
  if (redirects(*settings_, input))
    out.set(redirect(
        input.annotations->preserve_trailing_slash.value_or(settings_->preserve_trailing_slash)
    ));
  if (hsts_ != nullptr) out.set(hsts_);
  if (input.annotations != nullptr) {
    upstream_.add(*input.annotations, settings_->proxy, input.path, out);
    limits_.add(input.annotations->limits, *settings_, out);
    if (const auto version = input.annotations->upstream_proxy_protocol)
      out.set(proxy_protocol_.of(*version));
    if (!input.annotations->enable_access_log.value_or(true)) out.set(no_access_log_);
  }
  return out;
}

std::shared_ptr<const HttpsRedirectPolicy> PolicyMaker::redirect(bool preserve_trailing_slash) {
  auto& policy = redirects_[{settings_->http_redirect_code, preserve_trailing_slash}];
  if (policy == nullptr) {
    auto made = std::make_shared<HttpsRedirectPolicy>();
    made->status = settings_->http_redirect_code;
    made->preserve_trailing_slash = preserve_trailing_slash;
    policy = std::move(made);
  }
  return policy;
}

}  // namespace cppx::controller
