#pragma once

#include <string>
#include <string_view>

#include "base/text.h"
#include "routing/http/message.h"

namespace cppx::proxy {

/// What the proxy tells the backend about the client (ingress-nginx's proxy_set_header lines).
struct ForwardedInfo {
  std::string_view client_address;  ///< Without port; IPv6 without brackets.
  std::string_view scheme;          ///< "http", "https", or what a trusted proxy says.
  std::string_view port;            ///< Of our listener, as users see it ("443" over TLS).
  std::string_view request_id;      ///< Used when the client sent none.
  /// Sec-WebSocket-Key for an HTTP/1.1 backend when the client, over HTTP/2, sends none (RFC 8441
  /// 5.1): 16 random bytes in base64. Empty otherwise.
  std::string_view websocket_key{};
  std::string_view host{};  ///< As users see it, with port; empty: that of the request.
  /// The address that is added to the X-Forwarded-For received; empty: that is replaced.
  std::string_view appended_for{};
  /// The field that X-Original-Forwarded-For repeats.
  std::string_view forwarded_for_header = "X-Forwarded-For";
};

/// How the response goes to the client.
struct ResponsePlan {
  std::uint8_t client_minor_version = 1;
  bool chunked = false;  ///< Without a length: in HTTP/1.1, Transfer-Encoding: chunked.
  bool keep_alive = true;
  bool upgrade = false;                          ///< 101: Connection and Upgrade are passed on.
  std::string_view date{};                       ///< IMF-fixdate.
  std::string_view strict_transport_security{};  ///< Empty: leave the backend's as it is.
  std::string_view set_cookie{};                 ///< One more Set-Cookie field; empty: none.
};

/// The host the backend is told. HTTP/1.0 may come without one; HTTP/1.1 must have it (RFC 9112
/// 3.2).
inline std::string_view host_sent(
    const routing::RequestHead& request, const ForwardedInfo& forwarded
) noexcept {
  if (!forwarded.host.empty()) return forwarded.host;
  return request.host.empty() ? std::string_view("_") : request.host;
}

/// A path of the target that is empty is sent as "/" (RFC 9112 3.2.1).
inline bool lacks_slash(const routing::RequestHead& request) noexcept {
  return !request.target.starts_with('/');
}

/// Whether the response goes with Content-Length.
inline bool sends_length(const routing::ResponseHead& response, const ResponsePlan& plan) noexcept {
  return !plan.chunked && response.has_content_length && response.status != 204;
}

/// Tells which fields of a head are passed on. `trailer_section`: the message may end with one.
class PassedFields {
 public:
  PassedFields(const routing::HeaderFields& fields, bool trailer_section) noexcept;

  /// To a backend: what is between the client and us only (RFC 9110 7.6.1) stays here, and so do
  /// the fields we set ourselves and names with characters other than letters, digits and '-'.
  [[nodiscard]] bool to_backend(const routing::HeaderField& field) const noexcept;
  /// To a client, likewise.
  [[nodiscard]] bool to_client(const routing::HeaderField& field, const ResponsePlan& plan)
      const noexcept;
  /// To a client, with an interim response (1xx).
  [[nodiscard]] bool with_interim(const routing::HeaderField& field) const noexcept;

 private:
  [[nodiscard]] bool named_in_connection(std::string_view name) const noexcept;

  const routing::HeaderFields& fields_;
  bool trailer_section_;
  bool check_named_;
};

/// Letters, digits and '-': other names are not passed on to backends, as nginx does by default
/// (two that differ only in '_' and '-' are the same variable to many a one).
bool is_ordinary_name(std::string_view name) noexcept;

/// The values of Connection that may name fields, as one list at the end of `out`: for trailers
/// that come when the head is no longer there. Mostly there are none.
void append_named_fields(const routing::HeaderFields& fields, std::string& out);

/// The value of the first such field; empty when there is none.
std::string_view find_value(const routing::HeaderFields& fields, routing::HeaderId id) noexcept;

/// Fields that may come several times as one list (RFC 9110 5.3), with `last` at its end unless
/// that is empty. Sinks are those of tell_forwarded().
template <class Sink>
void tell_joined(
    Sink& sink, std::string_view name, const routing::HeaderFields& fields, std::string_view of,
    std::string_view last
) {
  bool first = true;
  const auto item = [&](std::string_view value) {
    if (value.empty()) return;
    if (first)
      sink.begin_list(name);
    else
      sink.list_item(", ");
    sink.list_item(value);
    first = false;
  };
  for (const routing::HeaderField& field : fields)
    if (iequals(field.name, of)) item(field.value);
  item(last);
  if (!first) sink.end_list();
}

/// What the backend is told about the client, Host aside. A sink has
///   field(name, value)
///   begin_list(name), list_item(text), end_list()    one field from several pieces of text
template <class Sink>
void tell_forwarded(
    Sink& sink, const routing::RequestHead& request, const ForwardedInfo& forwarded
) {
  using routing::HeaderId;
  const auto client_id = find_value(request.fields, HeaderId::kXRequestId);
  sink.field("X-Request-ID", client_id.empty() ? forwarded.request_id : client_id);
  sink.field("X-Real-IP", forwarded.client_address);
  if (forwarded.appended_for.empty())
    sink.field("X-Forwarded-For", forwarded.client_address);
  else
    tell_joined(sink, "X-Forwarded-For", request.fields, "X-Forwarded-For", forwarded.appended_for);
  sink.field("X-Forwarded-Host", host_sent(request, forwarded));
  sink.field("X-Forwarded-Port", forwarded.port);
  sink.field("X-Forwarded-Proto", forwarded.scheme);
  sink.field("X-Forwarded-Scheme", forwarded.scheme);
  sink.field("X-Scheme", forwarded.scheme);
  tell_joined(sink, "X-Original-Forwarded-For", request.fields, forwarded.forwarded_for_header, {});
  const auto client_host = find_value(request.fields, HeaderId::kXForwardedHost);
  if (!client_host.empty()) sink.field("X-Original-Forwarded-Host", client_host);
}

}  // namespace cppx::proxy
