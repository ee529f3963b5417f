#include "app/explain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/json_text.h"

namespace cppx::app {
namespace {

using nlohmann::json;

/// Lines "name    value", values below each other.
class Lines {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::format_to(std::back_inserter(text_), "  {:<13} {}\n", name, value);
  }
  std::string text_;
};

std::string with_value(const std::string& name, const std::string& value) {
  return value.empty() ? name : fmt::format("{} {}", name, value);
}

std::string host_text(std::string_view name) {
  return name == "_" ? std::string("any (no rule has the one asked for)") : std::string(name);
}

void add_route(const json& route, Lines& out) {
  if (!route.is_object()) return;
  out.add("host", host_text(text_at(route, "host")));
  out.add("path", fmt::format("{} ({})", text_at(route, "path"), text_at(route, "pathType")));
  if (const auto ingress = text_at(route, "ingress"); !ingress.empty()) {
    const auto field = text_at(route, "field");
    out.add(
        "Ingress",
        fmt::format(
            "{}/{}{}{}", text_at(route, "namespace"), ingress, field.empty() ? "" : " ", field
        )
    );
  }
  if (const auto service = text_at(route, "service"); !service.empty())
    out.add(
        "Service", fmt::format(
                       "{}/{}:{} over {}", text_at(route, "namespace"), service,
                       text_at(route, "port"), text_at(route, "protocol")
                   )
    );
  for (const json& policy : part_at(route, "policies"))
    out.add("policy", with_value(text_at(policy, "feature"), text_at(policy, "value")));
}

void add_pool(const json& pool, Lines& out) {
  if (!pool.is_object()) return;
  out.add("pool", fmt::format("{} {}", text_at(pool, "name"), text_at(pool, "status")));
  for (const json& endpoint : part_at(pool, "endpoints"))
    if (endpoint.is_string()) out.add("endpoint", endpoint.get_ref<const std::string&>());
}

void add_certificate(const json& certificate, Lines& out) {
  if (!certificate.is_object()) return;
  const auto secret = text_at(certificate, "secret");
  std::string names;
  for (const json& name : part_at(certificate, "names"))
    if (name.is_string()) names += (names.empty() ? "" : ", ") + name.get_ref<const std::string&>();
  out.add(
      "certificate",
      fmt::format(
          "{}{} for {}, until {}{}{}", secret.empty() ? "self-made" : "of Secret " + secret,
          true_at(certificate, "default") ? " (the default)" : "",
          names.empty() ? "no name" : names, text_at(certificate, "notAfter"),
          true_at(certificate, "expired") ? ": EXPIRED" : "",
          true_at(certificate, "coversHost") ? "" : "; does not cover the host"
      )
  );
}

std::string headline(const json& explanation) {
  const auto status = text_at(explanation, "status");
  const auto location = text_at(explanation, "location");
  return fmt::format(
      "{} {} from {}\n{}{}{}\n", text_at(explanation, "method"), text_at(explanation, "url"),
      text_at(explanation, "client"), status.empty() ? "" : status + ": ",
      text_at(explanation, "message"), location.empty() ? "" : ": " + location
  );
}

}  // namespace

std::string explanation_text(const json& explanation) {
  Lines out;
  out.text_ = headline(explanation);
  add_route(part_at(explanation, "route"), out);
  add_pool(part_at(explanation, "pool"), out);
  add_certificate(part_at(explanation, "certificate"), out);
  if (const json& others = part_at(explanation, "bypassed"); !others.empty()) {
    out.text_ += "not taken:\n";
    for (const json& other : others)
      out.text_ += fmt::format("  {}: {}\n", text_at(other, "what"), text_at(other, "why"));
  }
  if (const json& diagnostics = part_at(explanation, "diagnostics"); !diagnostics.empty()) {
    out.text_ += "problems:\n";
    for (const json& one : diagnostics) {
      const auto field = text_at(one, "field");
      out.text_ += fmt::format(
          "  {} {}{}{}: {}: {}\n", text_at(one, "kind"), text_at(one, "object"),
          field.empty() ? "" : " ", field, text_at(one, "reason"), text_at(one, "message")
      );
    }
  }
  return out.text_;
}

std::string routes_text(const json& routes) {
  constexpr std::array<std::string_view, 7> kKeys = {"host",    "path",  "pathType", "ingress",
                                                     "backend", "ready", "tls"};
  constexpr std::array<std::string_view, 7> kTitles = {"HOST",    "PATH",  "TYPE", "INGRESS",
                                                       "BACKEND", "READY", "TLS"};
  std::vector<std::array<std::string, kKeys.size()>> rows(1);
  std::ranges::copy(kTitles, rows[0].begin());
  for (const json& route : routes) {
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      row[i] = text_at(route, kKeys[i]);
      if (row[i].empty()) row[i] = "-";
    }
  }
  std::array<std::size_t, kKeys.size()> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i)
      fmt::format_to(std::back_inserter(out), "{:<{}}  ", row[i], widths[i]);
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace cppx::app
