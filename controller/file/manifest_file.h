#pragma once

#include <compare>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/model/objects.h"

namespace cppx::controller {

/// What is wrong in a manifest file, for a person.
struct ManifestProblem {
  std::filesystem::path file;
  std::size_t document = 0;  ///< 0: the file as a whole.
  std::size_t line = 0;      ///< 0: unknown.
  std::string message;

  auto operator<=>(const ManifestProblem&) const = default;
  [[nodiscard]] std::string to_string() const;  ///< "a.yaml: document 2, line 14: ..."
};

using ObjectId = std::pair<Kind, ObjectKey>;
std::string to_string(const ObjectId& id);  ///< "Ingress default/web"

/// One manifest file and the last good state of its objects. While any document of it is broken, no
/// object is given up: those of the broken document cannot be told from those taken out.
class ManifestFile {
 public:
  struct Entry {
    std::shared_ptr<const Object> object;
    std::size_t document = 0;
    std::size_t line = 0;
  };

  explicit ManifestFile(std::filesystem::path path) : path_(std::move(path)) {}

  /// Reads the file anew. Objects that did not change stay the same pointers.
  void read();
  /// The same with the text given.
  void parse(std::string_view text);
  /// Nothing could be read: everything stays, and `message` is the file's problem.
  void fail(std::string message);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const std::map<ObjectId, Entry>& objects() const noexcept { return objects_; }
  [[nodiscard]] const std::vector<ManifestProblem>& problems() const noexcept { return problems_; }

 private:
  std::filesystem::path path_;
  std::map<ObjectId, Entry> objects_;
  std::vector<ManifestProblem> problems_;
};

}  // namespace cppx::controller
