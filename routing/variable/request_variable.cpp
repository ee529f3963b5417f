#include "routing/variable/request_variable.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace cppx::routing {

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

bool names_field(std::string_view name, std::string_view field) noexcept {
  return std::ranges::equal(name, field, [](char a, char b) {
    return to_lower(a) == (b == '-' ? '_' : to_lower(b));
  });
}

std::optional<RequestVariable> RequestVariable::parse(std::string_view name) {
  struct Known {
    std::string_view name;
    Kind kind;
  };
  constexpr std::array kKnown{
      Known{"request_uri", Kind::kTarget}, Known{"uri", Kind::kPath},
      Known{"args", Kind::kQuery},         Known{"query_string", Kind::kQuery},
      Known{"host", Kind::kHost},          Known{"request_method", Kind::kMethod},
  };
  constexpr std::array kFamilies{
      Known{"http_", Kind::kHeader},
      Known{"cookie_", Kind::kCookie},
      Known{"arg_", Kind::kArgument},
  };
  for (const Known& known : kKnown)
    if (known.name == name) return RequestVariable{.kind = known.kind};
  for (const Known& family : kFamilies)
    if (name.size() > family.name.size() && name.starts_with(family.name))
      return RequestVariable{
          .kind = family.kind, .name = std::string(name.substr(family.name.size()))
      };
  return std::nullopt;
}

}  // namespace cppx::routing
