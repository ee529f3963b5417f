#include "controller/translate/diagnostic.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/text.h"

namespace cppx::controller {

std::string Diagnostic::to_string() const {
  const std::string_view space = field.empty() ? "" : " ";
  return printable(fmt::format(
      "{} {}{}{}: {}: {}", controller::to_string(kind), object.to_string(), space, field, reason,
      message
  ));
}

}  // namespace cppx::controller
