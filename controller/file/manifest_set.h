#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "controller/file/manifest_file.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// The manifest files of some folders and files, and the objects they define together. Where two
/// files define an object, the first one counts: roots in the order given, files of a folder by
/// name.
class ManifestSet {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ManifestSet(std::vector<std::filesystem::path> roots);

  /// Looks at the roots; comes before all else. An error when one does not exist.
  Result<void> open();
  /// Reads everything for the first time. An error when a root cannot be read.
  Result<void> load();

  /// Whether the path is a file of this set, or would be if it existed.
  [[nodiscard]] bool concerns(const std::filesystem::path& path) const;

  enum class Scan : std::uint8_t {
    kLinks,  ///< What lies behind symbolic links, and links that are new.
    kAll,  ///< Every file that differs from when it was read and has been left alone for a moment.
  };
  struct ScanResult {
    std::vector<std::filesystem::path> changed;
    std::vector<std::filesystem::path> gone;
    bool roots_changed = false;  ///< A root can be listed again, or no more: a problem to tell.
  };
  /// Compares with what is on disk, reading no file.
  ScanResult scan(Scan mode, Clock::time_point now);

  void read(const std::filesystem::path& path);
  void remove(const std::filesystem::path& path);

  /// Computes objects() and problems() after reads and removals.
  void merge();
  [[nodiscard]] const std::map<ObjectId, std::shared_ptr<const Object>>& objects() const noexcept {
    return objects_;
  }
  /// One line each.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

  /// Folders whose changes matter.
  [[nodiscard]] std::vector<std::filesystem::path> folders() const;

 private:
  /// What tells one state of a file from another without reading it.
  struct Signature {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;
    std::int64_t size = -1;
    bool is_link = false;
    bool operator==(const Signature&) const = default;
  };
  struct Root {
    std::filesystem::path path;
    bool is_folder = false;
    std::string problem;  // empty: none
  };
  struct Loaded {
    ManifestFile file;
    Signature signature;
  };
  /// A state that a file has had since a scan.
  struct Sighting {
    Signature signature;
    Clock::time_point since;
  };
  using Sightings = std::map<std::filesystem::path, Sighting>;

  static Signature signature_of(const std::filesystem::path& path);
  /// Whether nobody has written to the file for a moment; if not, it is noted in `next`.
  bool is_left_alone(
      const std::filesystem::path& path, const Signature& current, Clock::time_point now,
      Sightings& next
  ) const;
  /// The root's files, sorted; sets root.problem when they cannot be listed.
  static std::vector<std::filesystem::path> list(Root& root);

  std::vector<Root> roots_;
  std::map<std::filesystem::path, Loaded> files_;
  Sightings unsettled_;  ///< By the last scan of all.
  std::map<ObjectId, std::shared_ptr<const Object>> objects_;
  std::vector<std::string> problems_;
};

}  // namespace cppx::controller
