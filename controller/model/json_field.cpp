#include "controller/model/json_field.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

const nlohmann::json* member(const nlohmann::json* object, std::string_view key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto it = object->find(key);
  return it == object->end() || it->is_null() ? nullptr : &*it;
}

// Keys with a dot ("tls.crt") would be read as two; they are shown in brackets.
void append_key(std::string& path, std::string_view key) {
  if (key.find_first_of(".[]/") != std::string_view::npos) {
    path.append("[\"").append(key).append("\"]");
    return;
  }
  if (!path.empty()) path.push_back('.');
  path.append(key);
}

}  // namespace

JsonField::JsonField(const nlohmann::json& root, DecodeErrors& errors)
    : value_(root.is_null() ? nullptr : &root), parent_(nullptr), errors_(&errors) {}

JsonField::JsonField(const JsonField* parent, std::string_view key, const nlohmann::json* value)
    : value_(value), parent_(parent), errors_(parent->errors_), key_(key) {}

JsonField::JsonField(const JsonField* parent, std::size_t index)
    : value_(&(*parent->value_)[index]), parent_(parent), errors_(parent->errors_), index_(index) {
  if (value_->is_null()) value_ = nullptr;
}

JsonField JsonField::operator[](std::string_view key) const {
  if (!is_object()) return {this, key, nullptr};
  return {this, key, member(value_, key)};
}

bool JsonField::is_array() const {
  if (value_ == nullptr) return false;
  if (value_->is_array()) return true;
  fail("not a list");
  return false;
}

bool JsonField::is_object() const {
  if (value_ == nullptr) return false;
  if (value_->is_object()) return true;
  fail("not an object");
  return false;
}

std::optional<std::string> JsonField::optional_text() const {
  if (value_ == nullptr) return std::nullopt;
  if (const auto* text = value_->get_ptr<const nlohmann::json::string_t*>()) return *text;
  fail("not a string");
  return std::nullopt;
}

std::string JsonField::text() const { return optional_text().value_or(std::string()); }

std::string JsonField::required_text() const {
  std::string text = this->text();
  if (text.empty()) fail("missing");
  return text;
}

bool JsonField::boolean(bool fallback) const {
  if (value_ == nullptr) return fallback;
  if (const auto* value = value_->get_ptr<const nlohmann::json::boolean_t*>()) return *value;
  fail("not true or false");
  return fallback;
}

std::int64_t JsonField::integer(std::int64_t fallback) const {
  if (value_ == nullptr) return fallback;
  if (const auto* value = value_->get_ptr<const nlohmann::json::number_unsigned_t*>()) {
    if (std::in_range<std::int64_t>(*value)) return static_cast<std::int64_t>(*value);
  } else if (const auto* signed_value =
                 value_->get_ptr<const nlohmann::json::number_integer_t*>()) {
    return *signed_value;
  }
  fail("not an integer");
  return fallback;
}

std::optional<std::uint16_t> JsonField::port() const {
  if (value_ == nullptr) return std::nullopt;
  const std::int64_t value = integer(0);
  if (value >= 1 && value <= std::numeric_limits<std::uint16_t>::max())
    return static_cast<std::uint16_t>(value);
  fail("not a port number (1 to 65535)");
  return std::nullopt;
}

std::optional<PortRef> JsonField::port_ref() const {
  if (value_ == nullptr) return std::nullopt;
  if (value_->is_number()) {
    const auto number = port();
    return number ? std::optional<PortRef>(*number) : std::nullopt;
  }
  if (!value_->is_string()) {
    fail("neither a port number nor a port name");
    return std::nullopt;
  }
  std::string name = text();
  if (const auto number = parse_int<std::uint16_t>(name); number && *number != 0)
    return PortRef(*number);
  return PortRef(std::move(name));
}

StringMap JsonField::string_map() const {
  StringMap map;
  each_member([&](const std::string& key, const JsonField& value) {
    map.emplace(key, value.text());
  });
  return map;
}

bool JsonField::non_empty_object() const { return is_object() && !value_->empty(); }

void JsonField::fail(std::string_view what) const {
  if (errors_->any()) return;
  std::string text = path();
  if (text.empty())
    text = what;
  else
    text.append(": ").append(what);
  errors_->add(std::move(text));
}

std::string JsonField::path() const {
  if (parent_ == nullptr) return {};
  std::string path = parent_->path();
  if (key_.data() != nullptr)
    append_key(path, key_);
  else
    path.append("[").append(std::to_string(index_)).append("]");
  return path;
}

}  // namespace cppx::controller
