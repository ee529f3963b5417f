// Lines "E host path", "P host path" and "I host path" are rules (Exact, Prefix,
// ImplementationSpecific), lines "? host path" requests. The table is compared with the linear
// reference of the unit tests.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "routing/http/path.h"
#include "routing/match/host_index.h"
#include "tests/fuzz/require.h"
#include "tests/unit/routing/linear_reference.h"

namespace {

using cppx::routing::PathType;
using cppx::test::require;
using cppx::test::Rule;

struct Request {
  std::string host;
  std::string path;
};

struct Input {
  std::vector<Rule> rules;
  std::vector<Request> requests;
};

bool is_rule_host(std::string_view host) {
  return !host.empty() && !host.ends_with('.') &&
         host.size() <= cppx::routing::HostIndex::kLongestName;
}

void add_line(std::string_view line, Input& input) {
  if (line.size() < 3 || line[1] != ' ') return;
  const std::string_view rest = line.substr(2);
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos) return;
  std::string host(rest.substr(0, space));
  std::string path(rest.substr(space + 1));
  if (line[0] == '?') {
    input.requests.push_back({.host = std::move(host), .path = std::move(path)});
    return;
  }
  if (!is_rule_host(host) || !(path.empty() || path.starts_with('/'))) return;
  const PathType type = line[0] == 'E'   ? PathType::kExact
                        : line[0] == 'P' ? PathType::kPrefix
                                         : PathType::kImplementationSpecific;
  input.rules.push_back({.host = cppx::to_lower(host), .type = type, .path = std::move(path)});
}

Input parse(std::string_view text) {
  Input input;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    add_line(text.substr(0, end), input);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const Input input = parse(text);
  const cppx::routing::RoutingTable table = cppx::test::make_table(input.rules);
  std::string scratch;
  for (const Request& request : input.requests) {
    const auto path = cppx::routing::normalize_path(request.path, scratch);
    if (!path) {
      // Never asked for by the proxy; must do no harm.
      (void)table.match(request.host, request.path);
      continue;
    }
    const auto wanted = cppx::test::match_linearly(input.rules, request.host, *path);
    const auto got = cppx::test::match_by_table(table, request.host, *path);
    require(
        got == wanted, "the table agrees with the reference on " + request.host + " " +
                           std::string(*path) + "\ntable:     " + describe(got) +
                           "\nreference: " + describe(wanted) + "\nrules:\n" + describe(input.rules)
    );
  }
  return 0;
}
