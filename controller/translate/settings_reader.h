#pragma once

#include <optional>
#include <string_view>

namespace cppx::controller {

struct GlobalSettings;

/// Reads one ConfigMap key: takes the trimmed value and says whether it is good. What it does when
/// it is not, `otherwise` tells the user.
struct SettingsReader {
  std::string_view name;
  bool (*read)(GlobalSettings&, std::string_view);
  std::string_view otherwise = "the default is used";
};

/// Sets `to` if there is a value, and says whether there is one.
template <class T>
bool assign(T& to, const std::optional<T>& value) {
  if (value) to = *value;
  return value.has_value();
}

}  // namespace cppx::controller
