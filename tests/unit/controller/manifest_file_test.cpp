#include "controller/file/manifest_file.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/controller/file_support.h"

namespace cppx::controller {
namespace {

std::vector<std::string> names_of(const ManifestFile& file) {
  std::vector<std::string> out;
  for (const auto& [id, entry] : file.objects()) out.push_back(id.second.name);
  return out;
}

std::vector<std::string> problems_of(const ManifestFile& file) {
  std::vector<std::string> out;
  for (const ManifestProblem& problem : file.problems()) out.push_back(problem.to_string());
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "ManifestFile: a broken document keeps the last good state of the file's objects",
    "[controller]"
) {
  ManifestFile file("dir/a.yaml");
  file.parse(test::service_yaml("one") + "---\n" + test::service_yaml("two"));
  CHECK(names_of(file) == Names{"one", "two"});
  CHECK(file.problems().empty());

  file.parse("# first\nkind: [\n---\n" + test::service_yaml("two", 81));
  CHECK(names_of(file) == Names{"one", "two"});
  CHECK(
      std::get<Service>(*file.objects().at({Kind::kService, {"default", "two"}}).object)
          .ports[0]
          .port == 81
  );
  REQUIRE(file.problems().size() == 1);
  CHECK(file.problems()[0].document == 1);
  CHECK(problems_of(file)[0].starts_with("dir/a.yaml: document 1, line "));

  file.parse(test::service_yaml("two", 82));
  CHECK(names_of(file) == Names{"two"});
  CHECK(file.problems().empty());
}

TEST_CASE(
    "ManifestFile: a bad field keeps the last good object and is named with its place",
    "[controller]"
) {
  ManifestFile file("a.yaml");
  file.parse(test::service_yaml("one") + "---\n" + test::service_yaml("two"));
  file.parse(test::service_yaml("one", 81) + "---\n" + test::service_yaml("two", 99999));
  CHECK(
      std::get<Service>(*file.objects().at({Kind::kService, {"default", "one"}}).object)
          .ports[0]
          .port == 81
  );
  CHECK(
      std::get<Service>(*file.objects().at({Kind::kService, {"default", "two"}}).object)
          .ports[0]
          .port == 80
  );
  CHECK(
      problems_of(file) ==
      Names{"a.yaml: document 2, line 6: spec.ports[0].port: not a port number (1 to 65535)"}
  );
}

TEST_CASE("ManifestFile: objects that did not change stay the same", "[controller]") {
  ManifestFile file("a.yaml");
  file.parse(test::service_yaml("one") + "---\n" + test::service_yaml("two"));
  const auto one = file.objects().at({Kind::kService, {"default", "one"}}).object;
  const auto two = file.objects().at({Kind::kService, {"default", "two"}}).object;
  file.parse(
      "# moved\n---\n" + test::service_yaml("two", 81) + "---\n" + test::service_yaml("one")
  );
  CHECK(file.objects().at({Kind::kService, {"default", "one"}}).object == one);
  CHECK(file.objects().at({Kind::kService, {"default", "two"}}).object != two);
}

TEST_CASE("ManifestFile: the same object twice is reported, the first one counts", "[controller]") {
  ManifestFile file("a.yaml");
  file.parse(test::service_yaml("one", 81) + "---\n" + test::service_yaml("one", 82));
  CHECK(
      std::get<Service>(*file.objects().at({Kind::kService, {"default", "one"}}).object)
          .ports[0]
          .port == 81
  );
  CHECK(
      problems_of(file) == Names{"a.yaml: document 2, line 6: Service default/one is in document 1 "
                                 "already; the first one counts"}
  );
}

TEST_CASE("ManifestFile: JSON by the name of the file", "[controller]") {
  ManifestFile file("a.json");
  file.parse(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"one"},"spec":{"ports":[{"port":80}]}})"
  );
  CHECK(names_of(file) == Names{"one"});
  file.parse("{\n\"kind\": ]}");
  CHECK(names_of(file) == Names{"one"});
  REQUIRE(file.problems().size() == 1);
  CHECK(problems_of(file)[0].starts_with("a.json: document 1, line 2: "));
}

TEST_CASE("ManifestFile: a file that cannot be read keeps everything", "[controller]") {
  const test::TempFolder folder;
  folder.write("a.yaml", test::service_yaml("one"));
  ManifestFile file(folder / "a.yaml");
  file.read();
  CHECK(names_of(file) == Names{"one"});
  std::filesystem::remove(folder / "a.yaml");
  std::filesystem::create_directory(folder / "a.yaml");
  file.read();
  CHECK(names_of(file) == Names{"one"});
  REQUIRE(file.problems().size() == 1);
  CHECK(problems_of(file)[0] == (folder / "a.yaml").string() + ": not a regular file");
}

}  // namespace cppx::controller
