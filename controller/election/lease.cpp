#include "controller/election/lease.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

std::string text_of(const json& spec, std::string_view key) {
  const auto it = spec.find(key);
  return it != spec.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::int64_t number_of(const json& spec, std::string_view key) {
  const auto it = spec.find(key);
  return it != spec.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

}  // namespace

Result<Lease> read_lease(json object) {
  if (!object.is_object() || !object.contains("metadata") || !object["metadata"].is_object())
    return Error{Errc::kParse, ErrorSource::kUpstream, true, "the answer is not a Lease"};
  Lease lease;
  // A Lease without a spec is held by nobody.
  if (const auto spec = object.find("spec"); spec != object.end() && spec->is_object())
    lease.record = {
        .holder = text_of(*spec, "holderIdentity"),
        .duration_seconds = number_of(*spec, "leaseDurationSeconds"),
        .acquire_time = text_of(*spec, "acquireTime"),
        .renew_time = text_of(*spec, "renewTime"),
        .transitions = number_of(*spec, "leaseTransitions"),
    };
  lease.object = std::move(object);
  return lease;
}

json with_record(json object, const LeaseRecord& record) {
  json& spec = object["spec"];
  if (!spec.is_object()) spec = json::object();
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = record.duration_seconds;
  spec["acquireTime"] = record.acquire_time;
  spec["renewTime"] = record.renew_time;
  spec["leaseTransitions"] = record.transitions;
  return object;
}

json new_lease(const ObjectKey& key, const LeaseRecord& record) {
  return with_record(
      {{"apiVersion", "coordination.k8s.io/v1"},
       {"kind", "Lease"},
       {"metadata", {{"name", key.name}, {"namespace", key.ns}}}},
      record
  );
}

std::string leases_path(const std::string& ns) {
  return fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases", ns);
}

std::string micro_time(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds);
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
      micros.count()
  );
}

}  // namespace cppx::controller
