#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// The first thing found wrong while one object is decoded; what follows is not looked at any more.
class DecodeErrors {
 public:
  void add(std::string text) {
    if (!any_) text_ = std::move(text);
    any_ = true;
  }
  [[nodiscard]] bool any() const noexcept { return any_; }
  [[nodiscard]] Error to_error() const { return config_error(Errc::kParse, text_); }

 private:
  bool any_ = false;
  std::string text_;
};

/// One value within a JSON object and the way that leads to it, read with its type checked. Absent
/// and null are the same, as in the Kubernetes API. A wrong type is added to the errors under the
/// field's path and reads as absent. Borrows the JSON, its parent and the errors; lives on the
/// stack.
class JsonField {
 public:
  JsonField(const nlohmann::json& root, DecodeErrors& errors);

  /// Member of an object; absent when this is absent.
  [[nodiscard]] JsonField operator[](std::string_view key) const;
  [[nodiscard]] bool present() const noexcept { return value_ != nullptr; }

  [[nodiscard]] std::string text() const;  ///< Empty when absent.
  [[nodiscard]] std::optional<std::string> optional_text() const;
  [[nodiscard]] std::string required_text() const;  ///< An error when absent or empty.
  [[nodiscard]] bool boolean(bool fallback) const;
  [[nodiscard]] std::int64_t integer(std::int64_t fallback) const;
  /// 1 to 65535, or nothing when absent.
  [[nodiscard]] std::optional<std::uint16_t> port() const;
  /// A number as port(), or a name; "8080" is a number too (Kubernetes IntOrString).
  [[nodiscard]] std::optional<PortRef> port_ref() const;
  [[nodiscard]] StringMap string_map() const;
  /// An object with at least one member.
  [[nodiscard]] bool non_empty_object() const;

  /// Calls `visit` for each element of an array; nothing when absent.
  template <class Visit>
  void each(Visit visit) const {
    if (!is_array()) return;
    for (std::size_t i = 0; i < value_->size() && !errors_->any(); ++i) visit(JsonField(this, i));
  }
  /// Calls `visit(key, field)` for each member of an object; nothing when absent.
  template <class Visit>
  void each_member(Visit visit) const {
    if (!is_object()) return;
    for (auto it = value_->begin(); it != value_->end() && !errors_->any(); ++it)
      visit(it.key(), (*this)[it.key()]);
  }

  /// Adds "<path>: <what>" to the errors.
  void fail(std::string_view what) const;
  [[nodiscard]] std::string path() const;  ///< "spec.rules[0].host"

 private:
  JsonField(const JsonField* parent, std::string_view key, const nlohmann::json* value);
  JsonField(const JsonField* parent, std::size_t index);

  [[nodiscard]] bool is_array() const;
  [[nodiscard]] bool is_object() const;

  const nlohmann::json* value_;  // null when absent
  const JsonField* parent_;
  DecodeErrors* errors_;
  std::string_view key_;
  std::size_t index_ = 0;
};

}  // namespace cppx::controller
