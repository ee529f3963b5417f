#pragma once

#include <string_view>

#include "base/error.h"

namespace cppx::controller {

/// The Error for an HTTP status of the API server that is not 2xx: 401 and 403 kUnauthorized, 404
/// kNotFound, 408 kTimeout, 409 kConflict, 410 kGone, 429 and 5xx kUnavailable (retryable), others
/// kProtocol. The detail is "<status> <phrase>: <message>", one line.
Error error_of_status(unsigned status, std::string_view message);

/// `text` on one line and not longer than a log line should be.
std::string one_line(std::string_view text);

}  // namespace cppx::controller
