#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/http/cookie.h"
#include "routing/http/host.h"
#include "routing/http/message.h"

namespace cppx::routing {

/// Without the '?'; empty when there is none.
std::string_view query_of(std::string_view target) noexcept;
/// The first argument of that name, in any case, as it is in the query.
std::string_view argument_of(std::string_view query, std::string_view name) noexcept;
/// Whether `name`, as variables have it ("x_user_id"), stands for the field ("X-User-Id").
bool names_field(std::string_view name, std::string_view field) noexcept;

/// A variable whose value is in the head of the request.
struct RequestVariable {
  enum class Kind : std::uint8_t {
    kTarget,    ///< request_uri: as sent, with the query.
    kPath,      ///< uri: as sent.
    kQuery,     ///< args, query_string
    kHost,      ///< host: without port, in lower case.
    kMethod,    ///< request_method
    kHeader,    ///< http_NAME
    kCookie,    ///< cookie_NAME
    kArgument,  ///< arg_NAME
  };
  Kind kind = Kind::kTarget;
  std::string name{};  ///< What follows "http_", "cookie_" or "arg_".

  /// Nothing if `name` (without '$') is none of them.
  static std::optional<RequestVariable> parse(std::string_view name);

  /// Gives the value to `sink`, in one or several calls of sink.value(text), or of
  /// sink.lowered(text) for one to be put in lower case; sink.literal(text) for what stands between
  /// several fields of one name. No call at all: the request has nothing of the kind.
  template <class Sink>
  void feed(const RequestHead& request, Sink& sink) const;

  auto operator<=>(const RequestVariable&) const = default;
};

template <class Sink>
void RequestVariable::feed(const RequestHead& request, Sink& sink) const {
  switch (kind) {
    case Kind::kTarget:
      sink.value(request.target);
      break;
    case Kind::kPath:
      sink.value(request.path);
      break;
    case Kind::kQuery:
      if (const auto query = query_of(request.target); !query.empty()) sink.value(query);
      break;
    case Kind::kHost:
      if (const auto host = host_without_port(request.host)) sink.lowered(*host);
      break;
    case Kind::kMethod:
      sink.value(request.method);
      break;
    case Kind::kHeader: {
      bool first = true;
      for (const HeaderField& field : request.fields) {
        if (!names_field(name, field.name)) continue;
        if (!first) sink.literal(", ");
        first = false;
        sink.value(field.value);
      }
      break;
    }
    case Kind::kCookie:
      if (const auto cookie = find_cookie(request.fields, name, CookieNames::kAnyCase))
        sink.value(*cookie);
      break;
    case Kind::kArgument:
      if (const auto value = argument_of(query_of(request.target), name); !value.empty())
        sink.value(value);
      break;
  }
}

}  // namespace cppx::routing
