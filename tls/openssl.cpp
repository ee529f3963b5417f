#include "tls/openssl.h"

#include <string>

namespace cppx::tls {

std::string last_error_text() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "no reason given";
}

}  // namespace cppx::tls
