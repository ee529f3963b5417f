#include "routing/balance/hash_pattern.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "routing/balance/sip_hash.h"
#include "routing/http/cookie.h"
#include "routing/http/host.h"
#include "routing/http/message.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kMostParts = 16;

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "x_user_id" stands for the field X-User-Id.
bool is_field(std::string_view field, std::string_view variable) noexcept {
  return std::ranges::equal(field, variable, [](char a, char b) {
    return (a == '-' ? '_' : to_lower(a)) == to_lower(b);
  });
}

std::string_view query_of(std::string_view target) noexcept {
  const auto mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::string_view argument_of(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && iequals(pair.substr(0, equals), name))
      return pair.substr(equals + 1);
  }
  return {};
}

/// The variable at the start of `text`, after its '$': its name, and how long it is with braces.
std::optional<std::pair<std::string_view, std::size_t>> variable_at(std::string_view text) {
  const bool braces = text.starts_with('{');
  const std::size_t begin = braces ? 1 : 0;
  std::size_t end = begin;
  while (end < text.size() && is_name_character(text[end])) ++end;
  if (end == begin || (braces && (end == text.size() || text[end] != '}'))) return std::nullopt;
  return std::pair{text.substr(begin, end - begin), end + (braces ? 1 : 0)};
}

}  // namespace

class HashPattern::Sink {
 public:
  void literal(std::string_view text) noexcept { hash_.update(text); }
  void value(std::string_view text) noexcept {
    has_value_ = has_value_ || !text.empty();
    hash_.update(text);
  }
  void lowered(std::string_view text) noexcept {
    has_value_ = has_value_ || !text.empty();
    for (const char c : text) hash_.push(static_cast<std::uint8_t>(to_lower(c)));
  }
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }
  [[nodiscard]] std::uint64_t finish() const noexcept { return hash_.finish(); }

 private:
  SipHash hash_{SipKey{}};
  bool has_value_ = false;
};

std::optional<HashPattern::Part> HashPattern::variable(std::string_view name) {
  struct Known {
    std::string_view name;
    Kind kind;
  };
  constexpr std::array kKnown{
      Known{"request_uri", Kind::kRequestUri},
      Known{"uri", Kind::kPath},
      Known{"args", Kind::kQuery},
      Known{"query_string", Kind::kQuery},
      Known{"host", Kind::kHost},
      Known{"remote_addr", Kind::kClientAddress},
      Known{"binary_remote_addr", Kind::kClientAddress},
      Known{"request_method", Kind::kMethod},
  };
  constexpr std::array kFamilies{
      Known{"http_", Kind::kHeader},
      Known{"cookie_", Kind::kCookie},
      Known{"arg_", Kind::kArgument},
  };
  for (const Known& known : kKnown)
    if (known.name == name) return Part{.kind = known.kind, .name = {}};
  for (const Known& family : kFamilies)
    if (name.size() > family.name.size() && name.starts_with(family.name))
      return Part{.kind = family.kind, .name = std::string(name.substr(family.name.size()))};
  return std::nullopt;
}

std::optional<HashPattern> HashPattern::parse(std::string_view text) {
  HashPattern out;
  out.text_ = text;
  while (!text.empty()) {
    const auto dollar = std::min(text.find('$'), text.size());
    if (dollar > 0) {
      out.parts_.push_back({.kind = Kind::kLiteral, .name = std::string(text.substr(0, dollar))});
      text.remove_prefix(dollar);
    } else {
      const auto found = variable_at(text.substr(1));
      if (!found) return std::nullopt;
      auto part = variable(found->first);
      if (!part) return std::nullopt;
      out.parts_.push_back(std::move(*part));
      text.remove_prefix(1 + found->second);
    }
    if (out.parts_.size() > kMostParts) return std::nullopt;
  }
  if (out.parts_.empty()) return std::nullopt;
  return out;
}

void HashPattern::feed(const Part& part, const HashInput& input, Sink& sink) noexcept {
  const RequestHead& request = input.request;
  switch (part.kind) {
    case Kind::kLiteral:
      sink.literal(part.name);
      break;
    case Kind::kRequestUri:
      sink.value(request.target);
      break;
    case Kind::kPath:
      sink.value(request.path);
      break;
    case Kind::kQuery:
      sink.value(query_of(request.target));
      break;
    case Kind::kHost:
      sink.lowered(host_without_port(request.host).value_or(std::string_view()));
      break;
    case Kind::kClientAddress:
      sink.value(input.client_address);
      break;
    case Kind::kMethod:
      sink.value(request.method);
      break;
    case Kind::kHeader: {
      bool first = true;
      for (const HeaderField& field : request.fields) {
        if (!is_field(field.name, part.name)) continue;
        if (!std::exchange(first, false)) sink.literal(", ");
        sink.value(field.value);
      }
      break;
    }
    case Kind::kCookie:
      sink.value(
          find_cookie(request.fields, part.name, CookieNames::kAnyCase).value_or(std::string_view())
      );
      break;
    case Kind::kArgument:
      sink.value(argument_of(query_of(request.target), part.name));
      break;
  }
}

std::optional<std::uint64_t> HashPattern::hash(const HashInput& input) const noexcept {
  Sink sink;
  bool variables = false;
  for (const Part& part : parts_) {
    variables = variables || part.kind != Kind::kLiteral;
    feed(part, input, sink);
  }
  if (parts_.empty() || (variables && !sink.has_value())) return std::nullopt;
  return sink.finish();
}

}  // namespace cppx::routing
