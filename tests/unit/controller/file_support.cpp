#include "tests/unit/controller/file_support.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <system_error>

#include <fstream>

#include <catch2/catch_test_macros.hpp>

namespace cppx::controller::test {

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "cppx-test-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TempFolder::write(std::string_view name, std::string_view text) const {
  std::ofstream out(path_ / name, std::ios::binary);
  out << text;
  out.close();
  REQUIRE(out.good());
}

std::string service_yaml(std::string_view name, int port) {
  return fmt::format(
      "apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\nspec: {{ports: [{{port: {}}}]}}\n",
      name, port
  );
}

}  // namespace cppx::controller::test
