#include "features/https_redirect/filter.h"

#include <string>
#include <string_view>
#include <utility>

#include "features/features.h"
#include "features/https_redirect/policy.h"

namespace cppx::features {

Respond redirect_to_https(const HttpsRedirectPolicy& policy, const RequestView& request) {
  if (request.tls) return {};
  std::string_view target = request.target;
  if (!policy.preserve_trailing_slash && target.ends_with('/')) target.remove_suffix(1);
  std::string location = "https://";
  location.append(request.host).append(target);
  return {.status = policy.status, .location = std::move(location)};
}

}  // namespace cppx::features
