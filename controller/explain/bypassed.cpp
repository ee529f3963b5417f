#include "controller/explain/bypassed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/class_selection.h"
#include "controller/translate/diagnostic.h"
#include "controller/translate/names.h"
#include "routing/match/host_index.h"
#include "routing/match/path_trie.h"
#include "routing/match/route.h"
#include "routing/match/routing_table.h"

namespace cppx::controller {
namespace {

/// More than so many paths or diagnostics of a kind help nobody.
constexpr std::size_t kMost = 20;

std::string describe(const routing::Route& route) {
  const std::string_view type = routing::to_string(route.path_type);
  if (route.origin.ingress.empty()) return fmt::format("path {} ({})", route.path, type);
  return fmt::format(
      "path {} ({}) of Ingress {}/{}", route.path, type, route.origin.ns, route.origin.ingress
  );
}

/// Whether the route takes the path when it is the only one.
bool takes_alone(const routing::Route& route, std::string_view path) {
  routing::PathTrie alone;
  alone.add(route.path_type, route.path, 0);
  return alone.match(path).route != routing::kNoRoute;
}

std::string why_lost(const routing::Route& lost, const routing::Route& won) {
  if (lost.path == won.path) return fmt::format("Exact comes before Prefix for {}", won.path);
  return fmt::format("takes the request too, but {} is longer", won.path);
}

void add_paths(const features::FoundRoute& found, Explanation& out) {
  if (found.match.host == nullptr) return;
  std::size_t other = 0;
  for (const routing::Route& route : found.match.host->routes) {
    if (&route == found.match.route) continue;
    if (found.match.route != nullptr && takes_alone(route, found.path))
      out.bypassed.push_back({describe(route), why_lost(route, *found.match.route)});
    else if (++other <= kMost)
      out.bypassed.push_back({describe(route), fmt::format("does not take {}", found.path)});
  }
  if (other > kMost)
    out.bypassed.push_back(
        {fmt::format("{} more paths of the host", other - kMost),
         fmt::format("do not take {}", found.path)}
    );
}

bool covers(const std::string& name, std::string_view host) {
  routing::HostIndex alone;
  return alone.add(name, 0) && alone.find(host) != routing::HostIndex::kNone;
}

void add_hosts(const features::FoundRoute& found, const ExplainInput& input, Explanation& out) {
  const routing::VirtualHost* won = found.match.host;
  if (won == nullptr) return;
  const auto& table = *input.snapshot.listeners.front().routes;
  for (const auto& host : table.hosts()) {
    if (host->name == won->name) continue;
    if (host->name.starts_with("*.") && covers(host->name, found.host))
      out.bypassed.push_back(
          {fmt::format("host {}", host->name),
           fmt::format("host {} is named exactly, which comes first", won->name)}
      );
    const bool catch_all =
        host->name == "_" &&
        std::ranges::any_of(host->routes, [](const auto& r) { return !r.origin.service.empty(); });
    if (catch_all)
      out.bypassed.push_back(
          {"the catch-all host", fmt::format("is for hosts that no rule has; {} is one", won->name)}
      );
  }
}

/// Whether a message speaks of the host: the whole word.
bool mentions(std::string_view message, std::string_view word) {
  if (word == "_") return message.find("host without a name") != std::string_view::npos;
  const auto in_name = [](char c) {
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*';
  };
  for (auto at = message.find(word); at != std::string_view::npos;
       at = message.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !in_name(message[at - 1])) && (end == message.size() || !in_name(message[end])))
      return true;
  }
  return false;
}

/// The rule of an Ingress that is for a host, by index; both in the form routes are kept by.
bool is_for(const IngressRule& rule, std::string_view host) {
  const auto name = normalize_ingress_host(rule.host);
  return name && *name == host;
}

std::string field_of(const Ingress& ingress, const ExplainedRoute& route) {
  for (std::size_t i = 0; i < ingress.rules.size(); ++i) {
    if (!is_for(ingress.rules[i], route.host)) continue;
    const auto& paths = ingress.rules[i].paths;
    for (std::size_t j = 0; j < paths.size(); ++j) {
      const std::string_view text = paths[j].path.empty() ? "/" : std::string_view(paths[j].path);
      if (text == route.path && routing::to_string(paths[j].path_type) == route.path_type)
        return fmt::format("spec.rules[{}].http.paths[{}]", i, j);
    }
  }
  return ingress.default_backend ? "spec.defaultBackend" : "";
}

void add_field(const Store& store, Explanation& out) {
  if (!out.route || out.route->ingress.empty()) return;
  const auto it = store.ingresses().find(ObjectKey{out.route->ns, out.route->ingress});
  if (it != store.ingresses().end()) out.route->field = field_of(*it->second, *out.route);
}

/// Ingresses with a rule for the very host asked for, and those of other classes among them.
std::set<ObjectKey> add_ingresses(
    const features::FoundRoute& found, const ExplainInput& input, Explanation& out
) {
  std::set<ObjectKey> keys;
  const ClassSelection classes(input.options.classes, *input.store);
  const std::string asked = to_lower(found.host);
  for (const auto& [key, ingress] : input.store->ingresses()) {
    const bool concerned = std::ranges::any_of(ingress->rules, [&](const IngressRule& rule) {
      return is_for(rule, asked) ||
             (found.match.host != nullptr && is_for(rule, found.match.host->name));
    });
    if (!concerned) continue;
    keys.insert(key);
    if (classes.judge(*ingress) == ClassVerdict::kNotOurs)
      out.bypassed.push_back(
          {fmt::format("Ingress {}", key.to_string()), "is of a class that is not ours"}
      );
  }
  return keys;
}

void add_diagnostics(
    const features::FoundRoute& found, const ExplainInput& input, std::set<ObjectKey> ingresses,
    Explanation& out
) {
  if (found.match.host == nullptr) return;
  for (const routing::Route& route : found.match.host->routes)
    if (!route.origin.ingress.empty())
      ingresses.insert(ObjectKey{route.origin.ns, route.origin.ingress});
  const ObjectKey service{
      out.route ? out.route->ns : std::string(), out.route ? out.route->service : std::string()
  };
  for (const Diagnostic& diagnostic : input.diagnostics) {
    if (out.diagnostics.size() == kMost) return;
    const bool concerned =
        (diagnostic.kind == Kind::kIngress && ingresses.contains(diagnostic.object)) ||
        (diagnostic.kind == Kind::kService && diagnostic.object == service) ||
        mentions(diagnostic.message, found.match.host->name);
    if (concerned) out.diagnostics.push_back(diagnostic);
  }
}

}  // namespace

void add_bypassed(
    const features::FoundRoute& found, const ExplainInput& input, Explanation& explanation
) {
  std::set<ObjectKey> ingresses;
  add_paths(found, explanation);
  add_hosts(found, input, explanation);
  if (input.store != nullptr) {
    add_field(*input.store, explanation);
    ingresses = add_ingresses(found, input, explanation);
  }
  add_diagnostics(found, input, std::move(ingresses), explanation);
}

}  // namespace cppx::controller
