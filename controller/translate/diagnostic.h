#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "controller/model/objects.h"

namespace cppx::controller {

enum class Severity : std::uint8_t { kWarning, kError };

/// Something in an object that could not be honoured, for the log (once), and later events and
/// explain.
struct Diagnostic {
  Kind kind = Kind::kIngress;
  ObjectKey object;
  std::string field;    ///< "spec.tls[0].secretName"; empty for the whole object.
  std::string reason;   ///< Stable CamelCase word ("SecretNotFound"): the Event reason.
  std::string message;  ///< One line for a person: what, why, what to do.
  Severity severity = Severity::kWarning;

  auto operator<=>(const Diagnostic&) const = default;
  [[nodiscard]] std::string to_string() const;  ///< One line, printable().
};

}  // namespace cppx::controller
