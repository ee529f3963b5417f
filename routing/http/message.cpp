#include "routing/http/message.h"

#include <string_view>

#include "base/text.h"

namespace cppx::routing {
namespace {

constexpr HeaderId if_equal(std::string_view name, std::string_view known, HeaderId id) noexcept {
  return iequals(name, known) ? id : HeaderId::kOther;
}

HeaderId id_of_x(std::string_view name) noexcept {
  if (name.size() > 8 && iequals(name.substr(0, 8), "X-Accel-")) return HeaderId::kXAccel;
  switch (name.size()) {
    case 5:
      return if_equal(name, "X-Pad", HeaderId::kXAccel);
    case 8:
      return if_equal(name, "X-Scheme", HeaderId::kXScheme);
    case 9:
      return if_equal(name, "X-Real-IP", HeaderId::kXRealIp);
    case 12:
      return if_equal(name, "X-Request-ID", HeaderId::kXRequestId);
    case 15:
      return if_equal(name, "X-Forwarded-For", HeaderId::kXForwardedFor);
    case 16:
      if (iequals(name, "X-Forwarded-Host")) return HeaderId::kXForwardedHost;
      return if_equal(name, "X-Forwarded-Port", HeaderId::kXForwardedPort);
    case 17:
      return if_equal(name, "X-Forwarded-Proto", HeaderId::kXForwardedProto);
    case 18:
      return if_equal(name, "X-Forwarded-Scheme", HeaderId::kXForwardedScheme);
    case 24:
      return if_equal(name, "X-Original-Forwarded-For", HeaderId::kXOriginalForwardedFor);
    case 25:
      return if_equal(name, "X-Original-Forwarded-Host", HeaderId::kXOriginalForwardedHost);
    default:
      return HeaderId::kOther;
  }
}

}  // namespace

HeaderId header_id(std::string_view name) noexcept {
  if (name.size() < 2) return HeaderId::kOther;
  if ((name[0] | 0x20) == 'x' && name[1] == '-') return id_of_x(name);
  switch (name.size()) {
    case 2:
      return if_equal(name, "TE", HeaderId::kTe);
    case 4:
      if (iequals(name, "Host")) return HeaderId::kHost;
      return if_equal(name, "Date", HeaderId::kDate);
    case 5:
      return if_equal(name, "Proxy", HeaderId::kProxy);
    case 6:
      if (iequals(name, "Expect")) return HeaderId::kExpect;
      return if_equal(name, "Server", HeaderId::kServer);
    case 7:
      if (iequals(name, "Upgrade")) return HeaderId::kUpgrade;
      return if_equal(name, "Trailer", HeaderId::kTrailer);
    case 10:
      if (iequals(name, "Connection")) return HeaderId::kConnection;
      return if_equal(name, "Keep-Alive", HeaderId::kKeepAlive);
    case 14:
      return if_equal(name, "Content-Length", HeaderId::kContentLength);
    case 16:
      return if_equal(name, "Proxy-Connection", HeaderId::kProxyConnection);
    case 17:
      return if_equal(name, "Transfer-Encoding", HeaderId::kTransferEncoding);
    case 25:
      return if_equal(name, "Strict-Transport-Security", HeaderId::kStrictTransportSecurity);
    default:
      return HeaderId::kOther;
  }
}

void RequestHead::clear() noexcept {
  method = target = path = host = upgrade_protocol = {};
  fields.clear();
  minor_version = 1;
  framing = BodyFraming::kNone;
  content_length = 0;
  keep_alive = idempotent = true;
  expect_continue = upgrade = head_method = has_content_length = false;
}

void ResponseHead::clear() noexcept {
  status = 0;
  reason = upgrade_protocol = {};
  fields.clear();
  minor_version = 1;
  framing = BodyFraming::kUntilClose;
  content_length = 0;
  has_content_length = false;
  keep_alive = true;
}

bool is_idempotent(std::string_view method) noexcept {
  return method != "POST" && method != "LOCK" && method != "PATCH";
}

bool is_method(std::string_view text) noexcept {
  for (const char c : text)
    if (!((c >= 'A' && c <= 'Z') || c == '-' || c == '_')) return false;
  return !text.empty();
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    const auto end = list.find(',');
    if (iequals(trim(list.substr(0, end)), token)) return true;
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return false;
}

bool has_tokens(std::string_view list, std::string_view tokens) noexcept {
  while (!tokens.empty()) {
    const auto end = tokens.find(',');
    if (!has_token(list, trim(tokens.substr(0, end)))) return false;
    if (end == std::string_view::npos) break;
    tokens.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace cppx::routing
