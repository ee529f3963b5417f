#include "controller/kube/api_error.h"

#include <fmt/format.h>

#include <string>

#include <boost/beast/http/status.hpp>

#include "base/text.h"

namespace cppx::controller {
namespace {

constexpr std::size_t kLongestReason = 400;

Errc code_of_status(unsigned status) noexcept {
  switch (status) {
    case 401:
    case 403:
      return Errc::kUnauthorized;
    case 404:
      return Errc::kNotFound;
    case 408:
      return Errc::kTimeout;
    case 409:
      return Errc::kConflict;
    case 410:
      return Errc::kGone;
    case 429:
      return Errc::kUnavailable;
    default:
      return status >= 500 && status < 600 ? Errc::kUnavailable : Errc::kProtocol;
  }
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line(trim(text).substr(0, kLongestReason));
  for (char& c : line)
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  return line;
}

Error error_of_status(unsigned status, std::string_view message) {
  const Errc code = code_of_status(status);
  const auto phrase =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  std::string detail = fmt::format("{} {}", status, std::string_view(phrase.data(), phrase.size()));
  if (const std::string line = one_line(message); !line.empty()) detail += ": " + line;
  const bool retryable = code == Errc::kUnavailable || code == Errc::kTimeout;
  return Error{code, ErrorSource::kUpstream, retryable, std::move(detail)};
}

}  // namespace cppx::controller
