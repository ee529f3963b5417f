// The body of an AdmissionReview: whatever it is, the answer is one that an API server can read.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "controller/admission/admission_review.h"
#include "controller/admission/review.h"
#include "controller/cache/store.h"
#include "controller/file/document.h"
#include "controller/model/decode.h"
#include "tests/fuzz/require.h"
#include "tls/self_signed.h"

namespace {

using namespace cppx::controller;
using cppx::test::require;

constexpr std::string_view kCluster = R"(
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: cppx},
 spec: {controller: cppx.io/ingress-controller}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: taken},
 spec: {ingressClassName: cppx, rules: [{host: taken.test, http: {paths: [
 {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}
)";

const Store& cluster() {
  static const Store store = [] {
    Store out;
    for (const Document& document : parse_yaml(kCluster))
      for (Object& object : decode(document.json.value()).value()) out.apply(std::move(object));
    return out;
  }();
  return store;
}

AdmissionVerdict verdict_of(AdmissionRequest& request) {
  if (!request.unreadable.empty())
    return {.allowed = false, .message = request.unreadable, .warnings = {}};
  if (!request.ingress) return {};
  static const Reviewer reviewer({}, cppx::tls::make_default_certificate().value());
  return reviewer.review(cluster(), std::move(*request.ingress));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65536) return 0;
  auto request = parse_admission_request({reinterpret_cast<const char*>(data), size});
  if (!request) {
    require(!request.error().detail.empty(), "says why it is no AdmissionReview");
    return 0;
  }
  const AdmissionVerdict verdict = verdict_of(*request);
  require(verdict.allowed || !verdict.message.empty(), "a refusal says why");
  const auto answer = nlohmann::json::parse(admission_answer(request->uid, verdict));
  const auto& response = answer.at("response");
  require(response.at("allowed") == verdict.allowed, "the answer is the verdict");
  if (!verdict.allowed) {
    const auto message = response.at("status").at("message").get<std::string>();
    require(!message.empty() && message.find('\n') == std::string::npos, "a refusal is one line");
  }
  return 0;
}
