#include "proxy/stream/grpc_status.h"

#include "base/text.h"

namespace cppx::proxy {

bool is_grpc(const routing::RequestHead& request) noexcept {
  constexpr std::string_view kName = "content-type";
  constexpr std::string_view kType = "application/grpc";
  for (const routing::HeaderField& field : request.fields) {
    if (field.name.size() != kName.size() || !iequals(field.name, kName)) continue;
    if (field.value.size() < kType.size() || !iequals(field.value.substr(0, kType.size()), kType))
      return false;
    const std::string_view rest = field.value.substr(kType.size());
    return rest.empty() || rest.front() == '+' || rest.front() == ';';
  }
  return false;
}

std::string_view grpc_status_of(std::uint16_t http_status) noexcept {
  switch (http_status) {
    case 400:
      return "13";  // INTERNAL
    case 401:
      return "16";  // UNAUTHENTICATED
    case 403:
      return "7";  // PERMISSION_DENIED
    case 404:
      return "12";  // UNIMPLEMENTED
    case 413:
      return "8";  // RESOURCE_EXHAUSTED
    case 429:
    case 502:
    case 503:
    case 504:
      return "14";  // UNAVAILABLE
    default:
      return "2";  // UNKNOWN
  }
}

}  // namespace cppx::proxy
