#pragma once

#include <map>
#include <string>
#include <vector>

namespace cppx::controller {

/// Host name (lower case, no trailing dot) to IP literals, sorted. A name that is not in the map
/// has not been resolved yet; an empty list means that it has no address.
using ResolvedNames = std::map<std::string, std::vector<std::string>, std::less<>>;

}  // namespace cppx::controller
