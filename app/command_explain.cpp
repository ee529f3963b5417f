#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/explain_text.h"
#include "app/http_get.h"
#include "app/json_text.h"
#include "app/known_routes.h"
#include "base/error.h"
#include "controller/explain/explanation.h"
#include "controller/explain/listing.h"
#include "controller/explain/request.h"

namespace cppx::app {
namespace {

using nlohmann::json;

constexpr int kServed = 0;
constexpr int kNotServed = 1;
constexpr std::chrono::seconds kPatience{30};

int fail(const Error& error) {
  std::fprintf(stderr, "cppx: %s\n", error.detail.c_str());
  return kErrorOfUse;
}

/// A json converts to anything: the Result has to be told which of its two it is.
Result<json> value(json given) { return {boost::system::in_place_value, std::move(given)}; }

/// What the admin server of a running cppx answers.
Result<json> ask(const std::string& server, const std::string& target) {
  auto answer = http_get(server, target, kPatience);
  if (!answer) return config_error(answer.error().code, "--from: " + answer.error().detail);
  if (answer->status != 200)
    return config_error(
        Errc::kUnavailable, fmt::format(
                                "--from: {} answers {}: {}", server, answer->status,
                                answer->body.substr(0, answer->body.find('\n'))
                            )
    );
  auto parsed = json::parse(answer->body, nullptr, false);
  if (parsed.is_discarded())
    return config_error(Errc::kParse, fmt::format("--from: {} does not answer in JSON", server));
  return value(std::move(parsed));
}

Result<json> explanation_of(const Flags& flags) {
  const auto& words = flags.explain.words;
  const auto request = controller::make_explain_request(words);
  if (!request) return request.error();
  if (!flags.explain.from.empty())
    return ask(flags.explain.from, "/explain?" + controller::to_query(words));
  const auto known = read_known_routes(flags.controller, kPatience);
  if (!known) return known.error();
  return value(controller::to_json(controller::explain(
      *request, {.snapshot = *known->snapshot,
                 .diagnostics = *known->diagnostics,
                 .store = &known->store,
                 .options = known->options,
                 .now = std::chrono::system_clock::now()}
  )));
}

Result<json> routes_of(const Flags& flags) {
  if (!flags.explain.from.empty()) return ask(flags.explain.from, "/routes");
  const auto known = read_known_routes(flags.controller, kPatience);
  if (!known) return known.error();
  return value(controller::to_json(controller::list_routes(*known->snapshot)));
}

}  // namespace

int explain(const Flags& flags) {
  const auto explanation = explanation_of(flags);
  if (!explanation) return fail(explanation.error());
  const std::string text =
      flags.explain.json ? json_text(*explanation) : explanation_text(*explanation);
  std::fputs(text.c_str(), stdout);
  return true_at(*explanation, "served") ? kServed : kNotServed;
}

int routes(const Flags& flags) {
  const auto listed = routes_of(flags);
  if (!listed) return fail(listed.error());
  const std::string text = flags.explain.json ? json_text(*listed) : routes_text(*listed);
  std::fputs(text.c_str(), stdout);
  return listed->empty() ? kNotServed : kServed;
}

}  // namespace cppx::app
