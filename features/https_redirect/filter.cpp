#include "features/https_redirect/filter.h"

#include <string>
#include <string_view>
#include <utility>

#include "features/features.h"
#include "features/https_redirect/policy.h"

namespace cppx::features {

Respond redirect_to_https(const HttpsRedirectPolicy& policy, const RequestView& request) {
  // Exactly: what a trusted proxy calls otherwise is not for us to redirect.
  if (request.scheme != "http") return {};
  std::string_view target = request.target;
  if (!policy.preserve_trailing_slash && target.ends_with('/')) target.remove_suffix(1);
  std::string location = "https://";
  location.append(request.public_host).append(target);
  return {.status = policy.status, .location = std::move(location)};
}

}  // namespace cppx::features
