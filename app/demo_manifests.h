#pragma once

#include <span>
#include <string_view>

namespace cppx::app {

struct EmbeddedFile {
  std::string_view name;
  std::string_view content;
};

/// The manifests of examples/tutorial/demo, as they were when the program was built.
std::span<const EmbeddedFile> demo_manifests();

}  // namespace cppx::app
