#pragma once

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

}  // namespace cppx::controller
