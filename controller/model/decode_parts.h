#pragma once

#include <vector>

#include "controller/model/json_field.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// Decoders of single kinds, for decode.cpp: each reads one whole object with its metadata given.
Ingress decode_ingress(const JsonField& object, ObjectMeta meta);
IngressClass decode_ingress_class(const JsonField& object, ObjectMeta meta);
Service decode_service(const JsonField& object, ObjectMeta meta);
EndpointSlice decode_endpoint_slice(const JsonField& object, ObjectMeta meta);
/// A legacy Endpoints object: one slice a subset.
std::vector<EndpointSlice> decode_endpoints(const JsonField& object, const ObjectMeta& meta);
Secret decode_secret(const JsonField& object, ObjectMeta meta);
ConfigMap decode_config_map(const JsonField& object, ObjectMeta meta);

}  // namespace cppx::controller
