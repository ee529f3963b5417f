#pragma once

#include <nlohmann/json_fwd.hpp>

#include "controller/model/objects.h"

namespace cppx::controller {

/// The object as Kubernetes JSON with its apiVersion and kind, of the fields cppx reads: decode()
/// of it gives an equal object. A slice that was made of legacy Endpoints has no such form of its
/// own: null.
nlohmann::json encode(const Ingress& object);
nlohmann::json encode(const IngressClass& object);
nlohmann::json encode(const Service& object);
nlohmann::json encode(const EndpointSlice& object);
nlohmann::json encode(const Secret& object);
nlohmann::json encode(const ConfigMap& object);
nlohmann::json encode(const Namespace& object);
nlohmann::json encode(const Object& object);

}  // namespace cppx::controller
