#include "tests/unit/routing/linear_reference.h"

#include <cctype>
#include <cstdlib>
#include <map>
#include <memory>
#include <tuple>

namespace cppx::test {
namespace {

using routing::PathType;

std::string canonical_host(std::string_view host) {
  std::string name;
  for (const char c : host) {
    const bool upper = c >= 'A' && c <= 'Z';
    name += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (!name.empty() && name.back() == '.') name.pop_back();
  return name;
}

bool wildcard_takes(std::string_view wildcard, std::string_view host) {
  const std::size_t dot = host.find('.');
  return wildcard.substr(0, 2) == "*." && dot != 0 && dot != std::string_view::npos &&
         host.substr(dot) == wildcard.substr(1);
}

std::string choose_host(const std::vector<Rule>& rules, std::string_view request_host) {
  const std::string host = canonical_host(request_host);
  if (host.empty() || host.size() > 253) return "_";
  for (const Rule& rule : rules)
    if (rule.host == host && rule.host != "_" && rule.host.substr(0, 2) != "*.") return rule.host;
  for (const Rule& rule : rules)
    if (wildcard_takes(rule.host, host)) return rule.host;
  return "_";
}

/// How well a rule takes a path: the greater wins. {0, 0}: not at all.
std::tuple<std::size_t, int> rank(const Rule& rule, std::string_view path) {
  constexpr int kAddSlash = 1;
  constexpr int kPrefix = 2;
  constexpr int kExact = 3;
  const std::string text = rule.path.empty() ? "/" : rule.path;
  if (rule.type == PathType::kExact)
    return text == path ? std::tuple(text.size(), kExact) : std::tuple(std::size_t{0}, 0);
  if (text == path) return {text.size(), kPrefix};
  if (text.back() == '/' && path.substr(0, text.size()) == text) return {text.size(), kPrefix};
  if (path.substr(0, text.size() + 1) == text + "/") return {text.size(), kPrefix};
  if (path.back() != '/' && text == std::string(path) + "/") return {path.size(), kAddSlash};
  return {0, 0};
}

}  // namespace

LinearMatch match_linearly(
    const std::vector<Rule>& rules, std::string_view host, std::string_view path
) {
  LinearMatch match{.host = choose_host(rules, host), .rule = std::nullopt, .add_slash = false};
  std::tuple<std::size_t, int> best{0, 0};
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].host != match.host) continue;
    const auto mine = rank(rules[i], path);
    if (mine <= best) continue;  // the first of equal rules stays
    best = mine;
    match.rule = i;
  }
  match.add_slash = std::get<1>(best) == 1;
  return match;
}

routing::RoutingTable make_table(const std::vector<Rule>& rules) {
  std::map<std::string, std::shared_ptr<routing::VirtualHost>> hosts;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    auto& host = hosts[rules[i].host];
    if (!host) host = std::make_shared<routing::VirtualHost>();
    host->name = rules[i].host;
    routing::Route route;
    route.path = rules[i].path;
    route.path_type = rules[i].type;
    route.origin.service = std::to_string(i);
    host->add_route(std::move(route));
  }
  std::vector<std::shared_ptr<const routing::VirtualHost>> list;
  for (auto& [name, host] : hosts) list.push_back(std::move(host));
  return routing::RoutingTable(std::move(list));
}

LinearMatch match_by_table(
    const routing::RoutingTable& table, std::string_view host, std::string_view path
) {
  const routing::RouteMatch found = table.match(host, path);
  LinearMatch match{.host = found.host->name, .rule = std::nullopt, .add_slash = found.add_slash};
  if (found.route != nullptr) match.rule = std::stoul(found.route->origin.service);
  return match;
}

std::string describe(const std::vector<Rule>& rules) {
  std::string text;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const char* const type = rules[i].type == PathType::kExact    ? "Exact"
                             : rules[i].type == PathType::kPrefix ? "Prefix"
                                                                  : "ImplementationSpecific";
    text += std::to_string(i) + ": " + rules[i].host + " " + type + " " + rules[i].path + "\n";
  }
  return text;
}

std::string describe(const LinearMatch& match) {
  return "host " + match.host + ", rule " + (match.rule ? std::to_string(*match.rule) : "none") +
         (match.add_slash ? ", add slash" : "");
}

}  // namespace cppx::test
