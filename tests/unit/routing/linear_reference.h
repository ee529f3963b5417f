#pragma once
// What RoutingTable promises, said a second time and as plainly as possible: a list of rules, all
// of them looked at for every request. It shares no code with routing/match.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/match/route.h"
#include "routing/match/routing_table.h"

namespace cppx::test {

struct Rule {
  std::string host;  ///< "example.com", "*.example.com" or "_", lower case.
  routing::PathType type = routing::PathType::kPrefix;
  std::string path;
};

struct LinearMatch {
  std::string host;                 ///< Of the virtual host: "_" when no other takes the request.
  std::optional<std::size_t> rule;  ///< Index of the rule; none: 404.
  bool add_slash = false;

  bool operator==(const LinearMatch&) const = default;
};

/// `path` as normalize_path makes it.
LinearMatch match_linearly(
    const std::vector<Rule>& rules, std::string_view host, std::string_view path
);

/// The same rules as a table; the service of a route's origin is the index of its rule.
routing::RoutingTable make_table(const std::vector<Rule>& rules);

/// The answer of the table in the words of the reference.
LinearMatch match_by_table(
    const routing::RoutingTable& table, std::string_view host, std::string_view path
);

std::string describe(const std::vector<Rule>& rules);
std::string describe(const LinearMatch& match);

}  // namespace cppx::test
