#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace cppx::controller {

/// A scalar as JSON, by its tag as yaml-cpp reports it: "?" is plain text, resolved by the core
/// schema of YAML 1.2 (10.3.2); "!" is quoted, and stays text.
nlohmann::json resolve_yaml_scalar(std::string_view tag, const std::string& text);

}  // namespace cppx::controller
