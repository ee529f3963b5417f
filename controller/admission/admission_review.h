#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "controller/admission/review.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// What an API server asks (admission.k8s.io/v1).
struct AdmissionRequest {
  std::string uid;
  /// What is to be decided; nothing where there is nothing: deletions, other kinds, subresources.
  std::optional<Ingress> ingress;
  std::string unreadable;  ///< Why the object could not be read, which refuses it; else empty.
};

/// kParse with one line when it is no AdmissionReview of v1 with a uid.
Result<AdmissionRequest> parse_admission_request(std::string_view body);

/// The whole answer. Refusals are 400 BadRequest, as those of ingress-nginx.
std::string admission_answer(const std::string& uid, const AdmissionVerdict& verdict);

}  // namespace cppx::controller
