#pragma once

#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// What a JSON object turned into: one Object for most kinds, several for a legacy Endpoints with
/// several subsets (one slice a subset, named like "<name>/<subset index>" so that keys do not
/// clash), none for kinds cppx does not read.
using Decoded = std::vector<Object>;

/// Decodes any object by its apiVersion and kind. `fallback_kind` is what items of a List lack
/// ("Ingress"); empty when there is none. kParse errors name the field ("spec.rules[0].host: not a
/// string"). Never throws; takes hostile input. Manifests may leave out metadata.namespace
/// ("default").
Result<Decoded> decode(const nlohmann::json& json, std::string_view fallback_kind = {});

}  // namespace cppx::controller
