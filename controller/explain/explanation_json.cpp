#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "controller/explain/explanation.h"
#include "controller/model/objects.h"
#include "controller/translate/diagnostic.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

json to_json(const ExplainedRoute& route) {
  json policies = json::array();
  for (const auto& [feature, value] : route.policies)
    policies.push_back({{"feature", feature}, {"value", value}});
  return {
      {"host", route.host},          {"path", route.path},
      {"pathType", route.path_type}, {"namespace", route.ns},
      {"ingress", route.ingress},    {"field", route.field},
      {"service", route.service},    {"port", route.service_port},
      {"protocol", route.protocol},  {"policies", std::move(policies)},
  };
}

json to_json(const ExplainedCertificate& certificate) {
  return {
      {"secret", certificate.secret},
      {"names", certificate.names},
      {"coversHost", certificate.covers},
      {"default", certificate.fallback},
      {"expired", certificate.expired},
      {"notAfter", fmt::format(
                       "{:%Y-%m-%dT%H:%M:%SZ}",
                       std::chrono::time_point_cast<std::chrono::seconds>(certificate.not_after)
                   )},
  };
}

json to_json(const Diagnostic& diagnostic) {
  return {
      {"severity", diagnostic.severity == Severity::kError ? "error" : "warning"},
      {"kind", to_string(diagnostic.kind)},
      {"object", diagnostic.object.to_string()},
      {"field", diagnostic.field},
      {"reason", diagnostic.reason},
      {"message", diagnostic.message},
  };
}

}  // namespace

std::string_view to_string(features::Outcome outcome) noexcept {
  using features::Outcome;
  switch (outcome) {
    case Outcome::kForward:
      return "forwarded";
    case Outcome::kNoListener:
      return "no-listener";
    case Outcome::kBadPath:
      return "bad-path";
    case Outcome::kHealthProbe:
      return "health-probe";
    case Outcome::kNoRoute:
      return "no-route";
    case Outcome::kBodyTooLarge:
      return "body-too-large";
    case Outcome::kAddSlash:
      return "add-slash";
    case Outcome::kFiltered:
      return "answered-by-policy";
    case Outcome::kNoEndpoints:
      return "no-endpoints";
    case Outcome::kDefaultBackend:
      return "default-backend";
  }
  return "unknown";
}

json to_json(const Explanation& explanation) {
  json out = {
      {"method", explanation.method},
      {"url", explanation.url},
      {"client", explanation.client},
      {"served", explanation.served()},
      {"outcome", to_string(explanation.outcome)},
      {"message", explanation.message},
      {"path", explanation.path},
  };
  if (explanation.status != 0) out["status"] = explanation.status;
  if (!explanation.location.empty()) out["location"] = explanation.location;
  if (explanation.route) out["route"] = to_json(*explanation.route);
  if (explanation.pool)
    out["pool"] = {
        {"name", explanation.pool->name},
        {"status", explanation.pool->status},
        {"endpoints", explanation.pool->endpoints},
    };
  if (explanation.certificate) out["certificate"] = to_json(*explanation.certificate);
  out["bypassed"] = json::array();
  for (const Bypassed& other : explanation.bypassed)
    out["bypassed"].push_back({{"what", other.what}, {"why", other.why}});
  out["diagnostics"] = json::array();
  for (const Diagnostic& diagnostic : explanation.diagnostics)
    out["diagnostics"].push_back(to_json(diagnostic));
  return out;
}

}  // namespace cppx::controller
