#pragma once

#include <string_view>

#include "base/error.h"

namespace cppx::controller {

/// Whether `text` is a label selector as `kubectl --selector` takes it: requirements that are all
/// to be met, separated by commas — "team=web", "team!=db", "team in (a, b)", "team notin (a)",
/// "team",
/// "!team", "size>5". kInvalidArgument says which one is not. The API server does the selecting.
Result<void> check_label_selector(std::string_view text);

}  // namespace cppx::controller
