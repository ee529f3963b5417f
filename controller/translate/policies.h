#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "controller/translate/annotations.h"
#include "controller/translate/limit_policies.h"
#include "controller/translate/policy_cache.h"
#include "controller/translate/proxy_settings.h"
#include "controller/translate/upstream_policies.h"
#include "features/access_log/policy.h"
#include "features/https_redirect/policy.h"
#include "features/strict_transport_security/policy.h"
#include "features/upstream_proxy_protocol/policy.h"
#include "routing/policy.h"

namespace cppx::controller {

/// What the policies of one route are made of.
struct PolicyInput {
  const IngressAnnotations* annotations = nullptr;  ///< Null: the route is of no Ingress.
  bool host_has_tls = false;
  std::string_view path;
};

/// Makes the policies of routes. Equal policies are one object, in successive translations too, so
/// that routes can be compared by pointer.
class PolicyMaker {
 public:
  /// Starts a translation with these settings, which must outlive it.
  void begin(const GlobalSettings& settings);

  routing::PolicySet policies_of(const PolicyInput& input);

 private:
  std::shared_ptr<const features::HttpsRedirectPolicy> redirect(bool preserve_trailing_slash);

  const GlobalSettings* settings_ = nullptr;
  std::shared_ptr<const features::StrictTransportSecurityPolicy> hsts_;
  std::map<std::pair<std::uint16_t, bool>, std::shared_ptr<const features::HttpsRedirectPolicy>>
      redirects_;
  UpstreamPolicyMaker upstream_;
  LimitPolicyMaker limits_;
  PolicyCache<features::UpstreamProxyProtocolPolicy> proxy_protocol_;
  std::shared_ptr<const features::AccessLogPolicy> no_access_log_ =
      std::make_shared<const features::AccessLogPolicy>();
};

}  // namespace cppx::controller
