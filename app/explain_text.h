#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace cppx::app {

/// What controller::to_json makes of an Explanation or a list of routes, as lines for people,
/// whoever made it: a part that is missing is left out.
std::string explanation_text(const nlohmann::json& explanation);
std::string routes_text(const nlohmann::json& routes);

}  // namespace cppx::app
