#include "app/admin_routes.h"

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "app/json_text.h"
#include "controller/explain/explanation.h"
#include "controller/explain/listing.h"
#include "controller/explain/request.h"

namespace cppx::app {
namespace {

AdminReply json_reply(const nlohmann::json& json) {
  return {.status = 200, .body = json_text(json), .content_type = "application/json"};
}

}  // namespace

AdminReply answer_about_routes(const AdminRequest& request, const RoutesInForce& routes) {
  if (!request.from_here)
    return {.status = 403, .body = "answered to this machine only (kubectl port-forward is)\n"};
  if (routes.snapshot == nullptr) return {.status = 503, .body = "no routes yet: see /readyz\n"};
  if (request.path == "/routes")
    return json_reply(controller::to_json(controller::list_routes(*routes.snapshot)));
  const auto words = controller::explain_words_of_query(request.query);
  if (!words) return {.status = 400, .body = words.error().detail + "\n"};
  const auto asked = controller::make_explain_request(*words);
  if (!asked) return {.status = 400, .body = asked.error().detail + "\n"};
  return json_reply(controller::to_json(controller::explain(
      *asked, {.snapshot = *routes.snapshot,
               .diagnostics = routes.diagnostics,
               .store = nullptr,
               .options = routes.options,
               .now = std::chrono::system_clock::now()}
  )));
}

}  // namespace cppx::app
