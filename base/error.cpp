#include "base/error.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace cppx {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::kInvalidArgument:
      return "invalid_argument";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kIo:
      return "io";
    case Errc::kParse:
      return "parse";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kTls:
      return "tls";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kClosed:
      return "closed";
    case Errc::kProtocol:
      return "protocol";
    case Errc::kTooLarge:
      return "too_large";
    case Errc::kConflict:
      return "conflict";
    case Errc::kUnauthorized:
      return "unauthorized";
    case Errc::kGone:
      return "gone";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

Error config_error(Errc code, std::string detail) {
  return {
      .code = code, .source = ErrorSource::kConfig, .retryable = false, .detail = std::move(detail)
  };
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  std::fprintf(
      stderr, "cppx: value of a failed Result at %s:%u: %s\n", where.file_name(),
      static_cast<unsigned>(where.line()), error.detail.c_str()
  );
  std::abort();
}

}  // namespace cppx
