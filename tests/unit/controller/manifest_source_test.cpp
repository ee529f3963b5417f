#include "controller/file/manifest_source.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/controller/file_support.h"

namespace cppx::controller {
namespace {

namespace fs = std::filesystem;

/// A started source and the store it fills.
class Running {
 public:
  explicit Running(std::vector<fs::path> roots)
      : source_(io, std::move(roots), store, [this] { ++changes; }) {
    const auto started = source_.start();
    INFO((started ? std::string() : started.error().detail));
    REQUIRE(started.has_value());
  }
  ~Running() {
    source_.stop();
    io.restart();
    io.run();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// The port of the Service, 0 when it is not there.
  [[nodiscard]] int port(const std::string& name) const {
    const auto it = store.services().find({"default", name});
    return it == store.services().end() ? 0 : it->second->ports.front().port;
  }
  [[nodiscard]] bool becomes(const std::string& name, int wanted) {
    return test::run_until(io, [&] { return port(name) == wanted; });
  }
  [[nodiscard]] bool has_problem(const std::string& text) {
    return test::run_until(io, [&] {
      return std::ranges::any_of(source_.problems(), [&](const std::string& problem) {
        return problem.find(text) != std::string::npos;
      });
    });
  }
  [[nodiscard]] bool has_no_problem() {
    return test::run_until(io, [&] { return source_.problems().empty(); });
  }

  boost::asio::io_context io;
  Store store;
  int changes = 0;

 private:
  ManifestSource source_;
};

}  // namespace

TEST_CASE("ManifestSource: reads what is there at the start", "[controller]") {
  const test::TempFolder folder;
  folder.write("a.yaml", test::service_yaml("one"));
  folder.write("b.yml", test::service_yaml("two"));
  folder.write(
      "c.json",
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"three"},"spec":{"ports":[{"port":80}]}})"
  );
  folder.write("d.txt", test::service_yaml("no"));
  folder.write(".e.yaml", test::service_yaml("no"));
  fs::create_directory(folder / "f.yaml");
  const Running running({folder.path()});
  CHECK(running.store.services().size() == 3);
  CHECK(running.changes == 1);
}

TEST_CASE("ManifestSource: files that are written, rewritten, deleted", "[controller]") {
  const test::TempFolder folder;
  Running running({folder.path()});
  folder.write("a.yaml", test::service_yaml("one", 80));
  CHECK(running.becomes("one", 80));
  folder.write("a.yaml", test::service_yaml("one", 81));
  CHECK(running.becomes("one", 81));
  fs::remove(folder / "a.yaml");
  CHECK(running.becomes("one", 0));
}

TEST_CASE("ManifestSource: a change is applied within 100 ms", "[controller]") {
  const test::TempFolder folder;
  Running running({folder.path()});
  // The best of some: the machine may be busy with other things.
  auto best = std::chrono::steady_clock::duration::max();
  for (int port = 81; port < 91; ++port) {
    const auto start = std::chrono::steady_clock::now();
    folder.write("a.yaml", test::service_yaml("one", port));
    REQUIRE(running.becomes("one", port));
    best = std::min(best, std::chrono::steady_clock::now() - start);
  }
  CHECK(best < std::chrono::milliseconds(100));
}

TEST_CASE(
    "ManifestSource: an editor that puts a new file in place never takes objects away",
    "[controller]"
) {
  const test::TempFolder folder;
  folder.write("a.yaml", test::service_yaml("one", 80));
  Running running({folder.path()});
  for (int port = 81; port < 86; ++port) {
    const int changes = running.changes;
    // Renamed over.
    folder.write(".a.yaml.swp", test::service_yaml("one", port));
    fs::rename(folder / ".a.yaml.swp", folder / "a.yaml");
    REQUIRE(running.becomes("one", port));
    // Moved away and written anew.
    fs::rename(folder / "a.yaml", folder / "a.yaml~");
    folder.write("a.yaml", test::service_yaml("one", port + 100));
    fs::remove(folder / "a.yaml~");
    REQUIRE(running.becomes("one", port + 100));
    // Each change was one: had the object been removed for a moment, there would be more.
    CHECK(running.changes == changes + 2);
  }
}

TEST_CASE("ManifestSource: a file is not read before it is closed", "[controller]") {
  const test::TempFolder folder;
  Running running({folder.path()});
  std::ofstream half(folder / "a.yaml");
  half << "apiVersion: v1\nkind: Service\nmetadata: {name: one}\n" << std::flush;
  // Another change goes through meanwhile, without a look at the half-written file.
  folder.write("b.yaml", test::service_yaml("two"));
  REQUIRE(running.becomes("two", 80));
  CHECK_FALSE(running.store.services().contains({"default", "one"}));
  half << "spec: {ports: [{port: 82}]}\n";
  half.close();
  CHECK(running.becomes("one", 82));
}

TEST_CASE("ManifestSource: a mounted ConfigMap changes by its ..data link", "[controller]") {
  const test::TempFolder folder;
  fs::create_directory(folder / "..v1");
  folder.write("..v1/a.yaml", test::service_yaml("one", 81));
  fs::create_directory_symlink("..v1", folder / "..data");
  fs::create_symlink("..data/a.yaml", folder / "a.yaml");
  Running running({folder.path()});
  CHECK(running.port("one") == 81);

  fs::create_directory(folder / "..v2");
  folder.write("..v2/a.yaml", test::service_yaml("one", 82));
  fs::create_directory_symlink("..v2", folder / "..data_tmp");
  fs::rename(folder / "..data_tmp", folder / "..data");
  CHECK(running.becomes("one", 82));
  fs::remove_all(folder / "..v1");
  CHECK(running.port("one") == 82);
}

TEST_CASE("ManifestSource: a broken file is reported and changes nothing", "[controller]") {
  const test::TempFolder folder;
  folder.write("a.yaml", test::service_yaml("one") + "---\n" + test::service_yaml("two"));
  Running running({folder.path()});
  folder.write("a.yaml", test::service_yaml("one", 81) + "---\nkind: {{\n");
  CHECK(running.has_problem("a.yaml: document 2, line "));
  CHECK(running.port("one") == 81);
  CHECK(running.port("two") == 80);
  folder.write("a.yaml", test::service_yaml("one", 82));
  CHECK(running.becomes("two", 0));
  CHECK(running.has_no_problem());
}

TEST_CASE("ManifestSource: the first file in name order defines an object", "[controller]") {
  const test::TempFolder folder;
  folder.write("b.yaml", test::service_yaml("one", 82));
  folder.write("a.yaml", test::service_yaml("one", 81));
  Running running({folder.path()});
  CHECK(running.port("one") == 81);
  CHECK(running.has_problem(
      (folder / "b.yaml").string() + ": document 1, line 1: Service default/one is defined in " +
      (folder / "a.yaml").string() + " already; that one counts"
  ));
  fs::remove(folder / "a.yaml");
  CHECK(running.becomes("one", 82));
  CHECK(running.has_no_problem());
}

TEST_CASE("ManifestSource: single files, several roots in order", "[controller]") {
  const test::TempFolder folder;
  fs::create_directory(folder / "dir");
  folder.write("dir/a.yaml", test::service_yaml("one", 81));
  folder.write("z.conf", test::service_yaml("one", 82) + "---\n" + test::service_yaml("two"));
  Running running({folder / "z.conf", folder / "dir"});
  CHECK(running.port("one") == 82);
  CHECK(running.port("two") == 80);
  folder.write("other.yaml", test::service_yaml("other"));
  folder.write("z.conf", test::service_yaml("two", 83));
  CHECK(running.becomes("two", 83));
  CHECK(running.port("one") == 81);
  CHECK_FALSE(running.store.services().contains({"default", "other"}));
  fs::remove(folder / "z.conf");
  CHECK(running.becomes("two", 0));
}

TEST_CASE(
    "ManifestSource: a folder that goes away keeps its objects and may come back", "[controller]"
) {
  const test::TempFolder folder;
  fs::create_directory(folder / "dir");
  folder.write("dir/a.yaml", test::service_yaml("one", 81));
  Running running({folder / "dir"});
  fs::rename(folder / "dir", folder / "away");
  CHECK(running.has_problem((folder / "dir").string()));
  CHECK(running.port("one") == 81);
  fs::create_directory(folder / "dir");
  folder.write("dir/a.yaml", test::service_yaml("one", 82));
  CHECK(running.becomes("one", 82));
  CHECK(running.has_no_problem());
  folder.write("dir/a.yaml", test::service_yaml("one", 83));
  CHECK(running.becomes("one", 83));
}

TEST_CASE("ManifestSource: a path that does not exist is an error", "[controller]") {
  const test::TempFolder folder;
  boost::asio::io_context io;
  Store store;
  ManifestSource source(io, {folder / "nope"}, store, [] {});
  const auto started = source.start();
  REQUIRE(started.has_error());
  CHECK(started.error().code == Errc::kNotFound);
  CHECK(started.error().detail == (folder / "nope").string() + ": No such file or directory");
}

}  // namespace cppx::controller
