#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cppx::routing {

/// The path of a request target as it is matched: percent-decoded, dot segments removed, runs of
/// '/' merged (RFC 3986 5.2.4 and 6.2.2; what nginx calls the normalised URI). An encoded slash
/// (%2F) is data: it stays encoded, as "%2F", so that it never divides elements; an encoded percent
/// sign stays "%25", so that the result has one reading and normalising it again changes nothing.
/// Other octets are decoded, control characters too: the result is for matching, never for a
/// header.
///
/// `raw` is the path without query. Returns a view into `raw` when nothing had to change (the
/// usual case: no copy, no allocation), else into `scratch`. Nothing when the path cannot be
/// served: not starting with '/', a malformed or NUL escape, ".." above the root.
std::optional<std::string_view> normalize_path(std::string_view raw, std::string& scratch);

}  // namespace cppx::routing
