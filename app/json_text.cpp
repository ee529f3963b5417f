#include "app/json_text.h"

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace cppx::app {

using nlohmann::json;

namespace {

constexpr int kIndent = 2;

const json* find(const json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

}  // namespace

std::string json_text(const json& value) {
  return value.dump(kIndent, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string text_at(const json& object, std::string_view key) {
  const json* found = find(object, key);
  if (found == nullptr || found->is_structured() || found->is_null()) return {};
  if (found->is_string()) return printable(found->get_ref<const std::string&>());
  return found->dump();
}

bool true_at(const json& object, std::string_view key) {
  const json* found = find(object, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

const json& part_at(const json& object, std::string_view key) {
  static const json kNone = json::array();
  const json* found = find(object, key);
  return found != nullptr && found->is_structured() ? *found : kNone;
}

}  // namespace cppx::app
