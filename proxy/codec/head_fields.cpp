#include "proxy/codec/head_fields.h"

#include <string>
#include <string_view>

#include "base/text.h"
#include "routing/http/message.h"

namespace cppx::proxy {
namespace {

using routing::HeaderField;
using routing::HeaderId;

/// Connection with anything but the usual.
bool names_fields(const HeaderField& field) noexcept {
  return field.id == HeaderId::kConnection && !iequals(field.value, "keep-alive") &&
         !iequals(field.value, "close") && !iequals(field.value, "upgrade");
}

/// Each field must then be looked up there.
bool any_names_fields(const routing::HeaderFields& fields) noexcept {
  for (const HeaderField& field : fields)
    if (names_fields(field)) return true;
  return false;
}

bool set_by_us_or_hop_by_hop(HeaderId id) noexcept {
  switch (id) {
    case HeaderId::kOther:
    case HeaderId::kDate:
    case HeaderId::kServer:
    case HeaderId::kStrictTransportSecurity:
    case HeaderId::kXAccel:
    case HeaderId::kTrailer:
      return false;
    default:
      return true;
  }
}

}  // namespace

bool is_ordinary_name(std::string_view name) noexcept {
  for (const char c : name) {
    const char lower = to_lower(c);
    if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

PassedFields::PassedFields(const routing::HeaderFields& fields, bool trailer_section) noexcept
    : fields_(fields), trailer_section_(trailer_section), check_named_(any_names_fields(fields)) {}

/// Fields named in Connection belong to the connection too. Only ordinary ones: a client cannot
/// strip what we set or what frames the message.
bool PassedFields::named_in_connection(std::string_view name) const noexcept {
  for (const HeaderField& field : fields_)
    if (field.id == HeaderId::kConnection && routing::has_token(field.value, name)) return true;
  return false;
}

bool PassedFields::to_backend(const HeaderField& field) const noexcept {
  if (set_by_us_or_hop_by_hop(field.id) || !is_ordinary_name(field.name)) return false;
  if (field.id == HeaderId::kTrailer && !trailer_section_) return false;
  return !check_named_ || !named_in_connection(field.name);
}

bool PassedFields::to_client(const HeaderField& field, const ResponsePlan& plan) const noexcept {
  switch (field.id) {
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kDate:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kServer:
    case HeaderId::kTe:  // of requests only (RFC 9110 10.1.4), and malformed in HTTP/2
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
    case HeaderId::kXAccel:
      return false;
    case HeaderId::kTrailer:
      if (!trailer_section_) return false;
      break;
    case HeaderId::kStrictTransportSecurity:
      if (!plan.strict_transport_security.empty()) return false;
      break;
    default:
      break;
  }
  return !check_named_ || !named_in_connection(field.name);
}

bool PassedFields::with_interim(const HeaderField& field) const noexcept {
  if (field.id != HeaderId::kOther && field.id != HeaderId::kDate) return false;
  return !check_named_ || !named_in_connection(field.name);
}

void append_named_fields(const routing::HeaderFields& fields, std::string& out) {
  for (const HeaderField& field : fields)
    if (names_fields(field)) out.append(field.value).append(",");
}

std::string_view find_value(const routing::HeaderFields& fields, HeaderId id) noexcept {
  for (const HeaderField& field : fields)
    if (field.id == id) return field.value;
  return {};
}

}  // namespace cppx::proxy
