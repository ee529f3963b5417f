#include "controller/admission/admission_review.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/admission/review.h"
#include "controller/kube/api_error.h"
#include "controller/model/decode.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

constexpr std::string_view kVersion = "admission.k8s.io/v1";
constexpr std::string_view kKind = "AdmissionReview";
constexpr int kBadRequest = 400;

/// The text at the end of a way of keys; empty when there is none.
std::string text_at(const json& from, std::initializer_list<const char*> keys) {
  const json* at = &from;
  for (const char* key : keys) {
    if (!at->is_object()) return {};
    const auto it = at->find(key);
    if (it == at->end()) return {};
    at = &*it;
  }
  return at->is_string() ? at->get<std::string>() : std::string();
}

Error bad(std::string_view why) {
  return config_error(Errc::kParse, fmt::format("not an AdmissionReview of {}: {}", kVersion, why));
}

bool is_for_an_ingress(const json& request) {
  const std::string operation = text_at(request, {"operation"});
  return (operation == "CREATE" || operation == "UPDATE") &&
         text_at(request, {"kind", "kind"}) == "Ingress" &&
         text_at(request, {"kind", "group"}) == "networking.k8s.io" &&
         text_at(request, {"subResource"}).empty();
}

/// An object that is about to be created may have no name yet, and none of its namespace.
void complete_metadata(const json& request, json& object) {
  if (!object.is_object()) return;
  json& metadata = object["metadata"];
  if (!metadata.is_object()) return;
  if (text_at(metadata, {"namespace"}).empty())
    metadata["namespace"] = text_at(request, {"namespace"});
  if (!text_at(metadata, {"name"}).empty()) return;
  std::string name = text_at(request, {"name"});
  if (name.empty()) name = text_at(metadata, {"generateName"}) + "new";
  metadata["name"] = std::move(name);
}

}  // namespace

Result<AdmissionRequest> parse_admission_request(std::string_view body) {
  json review = json::parse(body, nullptr, false);
  if (review.is_discarded()) return bad("not JSON");
  if (text_at(review, {"apiVersion"}) != kVersion || text_at(review, {"kind"}) != kKind)
    return bad("another apiVersion or kind");
  const auto found = review.find("request");
  if (found == review.end() || !found->is_object()) return bad("no request");
  json& request = *found;
  AdmissionRequest out;
  out.uid = text_at(request, {"uid"});
  if (out.uid.empty()) return bad("no request.uid");
  if (!is_for_an_ingress(request)) return out;
  json& object = request["object"];
  complete_metadata(request, object);
  auto decoded = decode(object, "Ingress");
  if (!decoded) {
    out.unreadable = decoded.error().detail;
    return out;
  }
  for (Object& one : *decoded)
    if (auto* ingress = std::get_if<Ingress>(&one)) out.ingress = std::move(*ingress);
  return out;
}

std::string admission_answer(const std::string& uid, const AdmissionVerdict& verdict) {
  json response = {{"uid", uid}, {"allowed", verdict.allowed}};
  if (!verdict.allowed)
    response["status"] = {
        {"status", "Failure"},
        {"code", kBadRequest},
        {"reason", "BadRequest"},
        {"message", one_line(verdict.message)},
    };
  if (!verdict.warnings.empty()) {
    json& warnings = response["warnings"] = json::array();
    for (const std::string& warning : verdict.warnings) warnings.push_back(one_line(warning));
  }
  const json answer = {
      {"apiVersion", kVersion}, {"kind", kKind}, {"response", std::move(response)}
  };
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace cppx::controller
