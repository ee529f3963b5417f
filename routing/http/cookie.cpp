#include "routing/http/cookie.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "routing/http/message.h"

namespace cppx::routing {

std::optional<std::string_view> find_cookie(
    const HeaderFields& fields, std::string_view name, CookieNames names
) noexcept {
  for (const HeaderField& field : fields) {
    if (!iequals(field.name, "cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view found = trim(pair.substr(0, equals));
      if (names == CookieNames::kExact ? found == name : iequals(found, name))
        return trim(pair.substr(equals + 1));
    }
  }
  return std::nullopt;
}

}  // namespace cppx::routing
