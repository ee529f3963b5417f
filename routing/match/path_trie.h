#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "routing/match/route.h"

namespace cppx::routing {

/// Index of a route within its VirtualHost.
using RouteIndex = std::uint32_t;
inline constexpr RouteIndex kNoRoute = std::numeric_limits<RouteIndex>::max();

struct PathMatch {
  RouteIndex route = kNoRoute;
  /// The path is that of a Prefix rule ending in '/', without its slash ("/foo" of "/foo/"), and
  /// no rule is for "/foo" itself: the answer is a 301 to the path with the slash. `route` is the
  /// rule.
  bool add_slash = false;
};

/// Paths of one host by element ("/a/b" is "a", "b"). Immutable once built; look-up allocates
/// nothing and costs the number of elements of the request's path, not the number of paths.
///
/// Which rule wins, for a normalised path:
///  - Exact before Prefix on equal text, else the longest; ImplementationSpecific is a Prefix.
///  - Prefix "/foo" takes "/foo" and what is under "/foo/"; Prefix "/" takes all.
///  - Prefix "/foo/" takes what is under "/foo/" (before a Prefix "/foo"), and redirects "/foo".
///  - Exact "/foo" and Exact "/foo/" are two different paths. Case counts.
class PathTrie {
 public:
  /// Adds a rule; an empty path is "/". False, and nothing is changed, when the same kind of rule
  /// is there for the same path (Prefix and ImplementationSpecific are one kind): the caller adds
  /// in order of precedence.
  bool add(PathType type, std::string_view path, RouteIndex route);

  [[nodiscard]] PathMatch match(std::string_view normalized_path) const noexcept;

 private:
  struct Node {
    std::string element;
    RouteIndex exact = kNoRoute;          // "/a/b"
    RouteIndex exact_slash = kNoRoute;    // "/a/b/"
    RouteIndex prefix = kNoRoute;         // "/a/b" and under it
    RouteIndex prefix_slash = kNoRoute;   // under "/a/b/"
    std::vector<std::uint32_t> children;  // indices into nodes_, sorted by element
  };

  [[nodiscard]] const Node* find_child(const Node& node, std::string_view element) const noexcept;
  [[nodiscard]] Node& make_node(std::string_view path);

  Node root_;                // kept apart: a host whose only path is "/" needs no memory elsewhere
  std::vector<Node> nodes_;  // all others
};

}  // namespace cppx::routing
