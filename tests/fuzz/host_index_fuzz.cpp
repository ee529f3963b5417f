// Lines of names, "*." and "**." for wildcards of one and of more labels; the last line is the host
// asked for. The index is compared with a list that is scanned.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "routing/match/host_index.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::routing::HostIndex;
using cppx::routing::WildcardLabels;
using cppx::test::require;

struct Name {
  std::string text;  // lower case
  WildcardLabels labels = WildcardLabels::kOne;
};

std::optional<Name> parse_name(std::string_view line) {
  Name name;
  if (line.starts_with("**.")) {
    name.labels = WildcardLabels::kOneOrMore;
    line.remove_prefix(1);
  }
  const std::size_t key_size = line.starts_with("*.") ? line.size() - 1 : line.size();
  if (line.empty() || line == "*." || line.ends_with('.') || key_size > HostIndex::kLongestName)
    return std::nullopt;
  name.text = cppx::to_lower(line);
  return name;
}

/// 0: not at all; else the more the better.
std::size_t rank(const Name& name, std::string_view host) {
  if (!name.text.starts_with("*.")) return name.text == host ? 1'000'000 : 0;
  const std::string suffix = name.text.substr(1);
  if (!host.ends_with(suffix) || host.size() == suffix.size() || host.front() == '.') return 0;
  const std::string_view label = host.substr(0, host.size() - suffix.size());
  const bool one = label.find('.') == std::string_view::npos;
  return one || name.labels == WildcardLabels::kOneOrMore ? suffix.size() : 0;
}

std::uint32_t find_linearly(const std::vector<Name>& names, std::string_view asked) {
  std::string host = cppx::to_lower(asked);
  if (host.ends_with('.')) host.pop_back();
  if (host.empty() || host.size() > HostIndex::kLongestName) return HostIndex::kNone;
  std::size_t best = 0;
  std::uint32_t found = HostIndex::kNone;
  for (std::uint32_t i = 0; i < names.size(); ++i)
    if (const std::size_t mine = rank(names[i], host); mine > best) {
      best = mine;
      found = i;
    }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  HostIndex index;
  std::vector<Name> names;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    const auto name = parse_name(lines[i]);
    if (!name) continue;
    bool known = false;
    for (const Name& other : names) known = known || other.text == name->text;
    const bool added =
        index.add(name->text, static_cast<std::uint32_t>(names.size()), name->labels);
    require(added == !known, "a name is taken once: " + name->text);
    if (added) names.push_back(*name);
  }
  require(index.size() == names.size(), "counts its names");
  for (const std::string_view host : lines) {
    const std::uint32_t wanted = find_linearly(names, host);
    const std::uint32_t got = index.find(host);
    require(got == wanted, "agrees with the list on " + std::string(host));
  }
  return 0;
}
