#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// What the spec of a Lease (coordination.k8s.io/v1) says about the leader, in the fields and with
/// the meaning that all Kubernetes controllers give them.
struct LeaseRecord {
  std::string holder;  ///< Empty: given up.
  std::int64_t duration_seconds = 0;
  std::string acquire_time;  ///< MicroTime; as text, as times of other machines are never compared.
  std::string renew_time;    ///< Likewise.
  std::int64_t transitions = 0;
  bool operator==(const LeaseRecord&) const = default;
};

/// A Lease as the API server has it. `object` is the whole of it, so that what others keep in it
/// (labels, annotations) outlives our writing.
struct Lease {
  LeaseRecord record;
  nlohmann::json object;
};

/// kParse when it is not an object with metadata.
Result<Lease> read_lease(nlohmann::json object);
/// `object` with the record in its spec: the body of a PUT.
nlohmann::json with_record(nlohmann::json object, const LeaseRecord& record);
/// The body of a POST.
nlohmann::json new_lease(const ObjectKey& key, const LeaseRecord& record);

/// "/apis/coordination.k8s.io/v1/namespaces/NS/leases"
std::string leases_path(const std::string& ns);

/// As Kubernetes writes a MicroTime: "2026-11-26T10:00:00.000001Z".
std::string micro_time(std::chrono::system_clock::time_point time);

}  // namespace cppx::controller
