#include "controller/file/manifest_file.h"

#include <fmt/format.h>
#include <system_error>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "controller/file/document.h"
#include "controller/model/decode.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

constexpr std::uintmax_t kMaxFileSize = 64ULL << 20;

Result<std::string> read_text(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) return config_error(Errc::kIo, error.message());
  if (!std::filesystem::is_regular_file(status))
    return config_error(Errc::kIo, "not a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return config_error(Errc::kIo, error.message());
  if (size > kMaxFileSize) return config_error(Errc::kTooLarge, "larger than 64 MiB");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return config_error(Errc::kIo, std::strerror(errno));
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return config_error(Errc::kIo, "cannot be read");
  return text;
}

}  // namespace

std::string ManifestProblem::to_string() const {
  std::string where = file.string();
  if (document != 0) where += fmt::format(": document {}", document);
  if (line != 0) where += fmt::format("{} line {}", document != 0 ? "," : ":", line);
  return printable(where + ": " + message);
}

std::string to_string(const ObjectId& id) {
  return fmt::format("{} {}", to_string(id.first), id.second.to_string());
}

void ManifestFile::read() {
  if (const auto text = read_text(path_))
    parse(*text);
  else
    fail(text.error().detail);
}

void ManifestFile::fail(std::string message) {
  problems_ = {{.file = path_, .document = 0, .line = 0, .message = std::move(message)}};
}

void ManifestFile::parse(std::string_view text) {
  std::map<ObjectId, Entry> objects;
  std::vector<ManifestProblem> problems;
  bool broken = false;
  const auto report = [&](const Document& document, std::string message) {
    problems.push_back({path_, document.number, document.line, std::move(message)});
  };
  const auto documents = path_.extension() == ".json" ? parse_json(text) : parse_yaml(text);
  for (const Document& document : documents) {
    auto decoded = document.json ? decode(*document.json)
                                 : Result<Decoded>(config_error(Errc::kParse, document.error));
    if (!decoded) {
      broken = true;
      report(document, decoded.error().detail);
      continue;
    }
    for (Object& object : *decoded) {
      ObjectId id{kind_of(object), meta_of(object).key};
      if (const auto it = objects.find(id); it != objects.end()) {
        report(
            document, fmt::format(
                          "{} is in document {} already; the first one counts",
                          controller::to_string(id), it->second.document
                      )
        );
        continue;
      }
      const auto old = objects_.find(id);
      auto shared = old != objects_.end() && *old->second.object == object
                        ? old->second.object
                        : std::make_shared<const Object>(std::move(object));
      objects.emplace(std::move(id), Entry{std::move(shared), document.number, document.line});
    }
  }
  if (broken) objects.merge(objects_);
  objects_ = std::move(objects);
  problems_ = std::move(problems);
}

}  // namespace cppx::controller
