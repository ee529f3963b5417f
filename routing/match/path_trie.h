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

  /// The route that takes every path because the only rule is Prefix "/"; else kNoRoute.
  [[nodiscard]] RouteIndex takes_all() const noexcept {
    return nodes_.empty() && root_.exact == kNoRoute ? root_.prefix : kNoRoute;
  }

  [[nodiscard]] PathMatch match(std::string_view normalized_path) const noexcept;

 private:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex kRoot = 0;

  struct Node {
    RouteIndex exact = kNoRoute;         // "/a/b"
    RouteIndex exact_slash = kNoRoute;   // "/a/b/"
    RouteIndex prefix = kNoRoute;        // "/a/b" and under it
    RouteIndex prefix_slash = kNoRoute;  // under "/a/b/"
  };
  /// A node's place under its parent; of node i it is places_[i - 1].
  struct Place {
    NodeIndex parent = kRoot;
    std::uint64_t hash = 0;  // of all elements down to this one
    std::string element;
  };
  struct Slot {
    std::uint32_t tag = 0;   // upper half of the hash
    NodeIndex node = kRoot;  // kRoot: empty, for the root is nobody's child
  };

  [[nodiscard]] const Node& node_at(NodeIndex index) const noexcept;
  /// kRoot when there is no such child.
  [[nodiscard]] NodeIndex find_child(NodeIndex parent, std::string_view element, std::uint64_t hash)
      const noexcept;
  NodeIndex make_child(NodeIndex parent, std::string_view element, std::uint64_t hash);
  void insert(NodeIndex node) noexcept;

  Node root_;                  // kept apart: a host whose only path is "/" has no memory elsewhere
  std::vector<Node> nodes_;    // the others: node i is nodes_[i - 1]
  std::vector<Place> places_;  // read only when a tag agrees
  std::vector<Slot> slots_;    // children of all nodes: open addressing, power of two
};

}  // namespace cppx::routing
