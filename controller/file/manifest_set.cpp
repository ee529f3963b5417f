#include "controller/file/manifest_set.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "controller/file/manifest_file.h"

namespace cppx::controller {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLeftAlone{200};

bool has_manifest_name(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.starts_with('.')) return false;
  const fs::path extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

fs::path absolute_path(const fs::path& path) {
  std::error_code error;
  fs::path out = fs::absolute(path, error).lexically_normal();
  if (error) return path;
  return out.has_filename() ? out : out.parent_path();
}

std::int64_t nanoseconds(const timespec& time) noexcept {
  // A file may claim to be of any time; differences of these are to fit as well.
  constexpr std::int64_t kFarSeconds = 4'000'000'000;
  const auto seconds = std::clamp<std::int64_t>(time.tv_sec, -kFarSeconds, kFarSeconds);
  return seconds * 1'000'000'000 + time.tv_nsec;
}

std::int64_t wall_clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

}  // namespace

ManifestSet::ManifestSet(std::vector<fs::path> roots) {
  for (const fs::path& root : roots) roots_.push_back({.path = absolute_path(root), .problem = {}});
}

Result<void> ManifestSet::open() {
  for (Root& root : roots_) {
    std::error_code error;
    const auto status = fs::status(root.path, error);
    if (!fs::exists(status))
      return config_error(
          Errc::kNotFound, fmt::format(
                               "{}: {}", root.path.string(),
                               error ? error.message() : std::string("no such file or folder")
                           )
      );
    root.is_folder = fs::is_directory(status);
  }
  return {};
}

Result<void> ManifestSet::load() {
  for (Root& root : roots_) {
    const auto paths = list(root);
    if (!root.problem.empty()) return config_error(Errc::kIo, root.problem);
    for (const fs::path& path : paths) read(path);
  }
  merge();
  return {};
}

bool ManifestSet::concerns(const fs::path& path) const {
  return std::ranges::any_of(roots_, [&](const Root& root) {
    return root.is_folder ? path.parent_path() == root.path && has_manifest_name(path)
                          : path == root.path;
  });
}

bool ManifestSet::is_left_alone(
    const fs::path& path, const Signature& current, Clock::time_point now, Sightings& next
) const {
  const std::chrono::nanoseconds age(wall_clock_ns() - current.modified_ns);
  if (age > kLeftAlone) return true;
  // Just written to, or by a clock that is ahead of ours: a later look tells.
  const auto seen = unsettled_.find(path);
  const bool is_same = seen != unsettled_.end() && seen->second.signature == current;
  const auto since = is_same ? seen->second.since : now;
  if (now - since > kLeftAlone) return true;
  next.emplace(path, Sighting{current, since});
  return false;
}

ManifestSet::ScanResult ManifestSet::scan(Scan mode, Clock::time_point now) {
  ScanResult result;
  std::set<fs::path> listed;
  Sightings unsettled;
  for (Root& root : roots_) {
    const std::string last_problem = root.problem;
    const auto paths = list(root);
    result.roots_changed = result.roots_changed || root.problem != last_problem;
    for (const fs::path& path : paths) {
      listed.insert(path);
      const Signature current = signature_of(path);
      const auto it = files_.find(path);
      if (it != files_.end() && it->second.signature == current) continue;
      if (current.is_link || (mode == Scan::kAll && is_left_alone(path, current, now, unsettled)))
        result.changed.push_back(path);
    }
    // What cannot be listed is not taken for deleted.
    if (root.problem.empty()) continue;
    for (const auto& [path, loaded] : files_)
      if (root.is_folder && path.parent_path() == root.path) listed.insert(path);
  }
  for (const auto& [path, loaded] : files_)
    if (!listed.contains(path)) result.gone.push_back(path);
  if (mode == Scan::kAll) unsettled_ = std::move(unsettled);
  return result;
}

void ManifestSet::read(const fs::path& path) {
  const auto it = files_.try_emplace(path, Loaded{ManifestFile(path), {}}).first;
  // Taken first: a change while the file is read shows as one later.
  it->second.signature = signature_of(path);
  it->second.file.read();
}

void ManifestSet::remove(const fs::path& path) { files_.erase(path); }

void ManifestSet::merge() {
  objects_.clear();
  problems_.clear();
  std::map<ObjectId, fs::path> defined_in;
  std::set<fs::path> done;
  const auto merge_file = [&](const ManifestFile& file) {
    if (!done.insert(file.path()).second) return;
    for (const ManifestProblem& problem : file.problems()) problems_.push_back(problem.to_string());
    for (const auto& [id, entry] : file.objects()) {
      const auto [it, is_first] = defined_in.try_emplace(id, file.path());
      if (is_first) {
        objects_.emplace(id, entry.object);
        continue;
      }
      const ManifestProblem problem{
          file.path(), entry.document, entry.line,
          fmt::format(
              "{} is defined in {} already; that one counts", controller::to_string(id),
              it->second.string()
          )
      };
      problems_.push_back(problem.to_string());
    }
  };
  for (const Root& root : roots_) {
    if (!root.problem.empty()) problems_.push_back(root.problem);
    for (const auto& [path, loaded] : files_)
      if (root.is_folder ? path.parent_path() == root.path : path == root.path)
        merge_file(loaded.file);
  }
}

std::vector<fs::path> ManifestSet::folders() const {
  std::vector<fs::path> out;
  for (const Root& root : roots_) {
    fs::path folder = root.is_folder ? root.path : root.path.parent_path();
    if (std::ranges::find(out, folder) == out.end()) out.push_back(std::move(folder));
  }
  return out;
}

ManifestSet::Signature ManifestSet::signature_of(const fs::path& path) {
  Signature out;
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) out.is_link = S_ISLNK(status.st_mode);
  if (::stat(path.c_str(), &status) != 0) return out;
  out.device = status.st_dev;
  out.inode = status.st_ino;
  out.modified_ns = nanoseconds(status.st_mtim);
  out.size = status.st_size;
  return out;
}

std::vector<fs::path> ManifestSet::list(Root& root) {
  root.problem.clear();
  std::error_code error;
  std::vector<fs::path> out;
  if (!root.is_folder) {
    if (fs::exists(fs::symlink_status(root.path, error))) out.push_back(root.path);
    return out;
  }
  fs::directory_iterator it(root.path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    if (!has_manifest_name(it->path())) continue;
    std::error_code ignored;
    if (!it->is_directory(ignored)) out.push_back(it->path());
  }
  if (error) root.problem = fmt::format("{}: {}", root.path.string(), error.message());
  std::ranges::sort(out);
  return out;
}

}  // namespace cppx::controller
