#pragma once

#include <chrono>
#include <string>

#include "base/error.h"

namespace cppx::app {

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
};

/// One GET of `target` from `server` ("http://127.0.0.1:10254"; no TLS). Errors in one line.
Result<HttpAnswer> http_get(
    const std::string& server, const std::string& target, std::chrono::seconds at_most
);

}  // namespace cppx::app
