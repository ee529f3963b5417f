#include "controller/file/manifest_set.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/controller/file_support.h"

namespace cppx::controller {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A folder with one file, which has been read once.
struct LoadedFolder {
  LoadedFolder() {
    folder.write("a.yaml", test::service_yaml("one", 80));
    REQUIRE(manifests.open().has_value());
    REQUIRE(manifests.load().has_value());
  }

  /// Writes the file by a clock that is `ahead` of this one.
  void write(const std::string& text, std::chrono::seconds ahead) const {
    folder.write("a.yaml", text);
    fs::last_write_time(path, fs::file_time_type::clock::now() + ahead);
  }
  /// What a look finds so long after the first one.
  std::vector<fs::path> changed_after(std::chrono::milliseconds time) {
    return manifests.scan(ManifestSet::Scan::kAll, first_look + time).changed;
  }

  test::TempFolder folder;
  fs::path path = folder / "a.yaml";
  ManifestSet manifests{{folder.path()}};
  ManifestSet::Clock::time_point first_look = ManifestSet::Clock::now();
};

}  // namespace

TEST_CASE("ManifestSet: a file of some age is found by the first look", "[controller]") {
  LoadedFolder test;
  CHECK(test.changed_after(0ms).empty());
  test.write(test::service_yaml("one", 8081), -1s);
  CHECK(test.changed_after(0ms) == std::vector{test.path});
  test.manifests.read(test.path);
  CHECK(test.changed_after(0ms).empty());
}

TEST_CASE("ManifestSet: a file from the future is found once it stays the same", "[controller]") {
  LoadedFolder test;
  test.write(test::service_yaml("one", 8081), 1h);
  CHECK(test.changed_after(0ms).empty());
  // Two looks at once tell nothing.
  CHECK(test.changed_after(5ms).empty());
  CHECK(test.changed_after(2s) == std::vector{test.path});
  test.manifests.read(test.path);
  CHECK(test.changed_after(4s).empty());
}

TEST_CASE("ManifestSet: a file that is written to between looks is left alone", "[controller]") {
  LoadedFolder test;
  std::string text = test::service_yaml("one", 8081);
  for (int look = 0; look < 4; ++look) {
    test.write(text += "# and more\n", 1h);
    CHECK(test.changed_after(look * 2s).empty());
  }
  CHECK(test.changed_after(8s) == std::vector{test.path});
}

}  // namespace cppx::controller
