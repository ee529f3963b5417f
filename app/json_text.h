#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace cppx::app {

/// With line ends and indentation. Bytes that are no UTF-8 are replaced: never throws.
std::string json_text(const nlohmann::json& json);

/// The text, number or boolean at `key` of an object, as text without control characters; empty
/// when it is none or not there.
std::string text_at(const nlohmann::json& object, std::string_view key);
bool true_at(const nlohmann::json& object, std::string_view key);
/// The array or object at `key`; an empty array when there is none.
const nlohmann::json& part_at(const nlohmann::json& object, std::string_view key);

}  // namespace cppx::app
