#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "controller/cache/cache_file.h"

namespace cppx::controller {
namespace {

constexpr mode_t kOwnerOnly = 0600;

Error failure(const std::filesystem::path& file, int error) {
  return config_error(
      error == ENOENT ? Errc::kNotFound : Errc::kIo,
      fmt::format("{}: {}", file.string(), std::generic_category().message(error))
  );
}

/// A descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool valid() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

/// errno of what failed, 0 when all is on the disk.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(descriptor) == 0 ? 0 : errno;
}

int write_new_file(const std::filesystem::path& file, std::string_view text) {
  // What a process of the same number left behind, which has ended.
  ::unlink(file.c_str());
  const Descriptor out(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly)
  );
  return out.valid() ? write_all(out.number(), text) : errno;
}

}  // namespace

Result<void> write_file_atomically(const std::filesystem::path& file, std::string_view text) {
  const auto folder = file.parent_path();
  const auto temporary =
      folder / fmt::format(".{}.{}", file.filename().string(), static_cast<long>(::getpid()));
  int error = write_new_file(temporary, text);
  if (error == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return failure(file, error);
  }
  // The name is on the disk only when the folder is.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid() && ::fsync(directory.number()) != 0) return failure(folder, errno);
  return {};
}

Result<std::string> read_whole_file(const std::filesystem::path& file) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid()) return failure(file, errno);
  std::string text;
  std::array<char, 64UL * 1024> chunk;
  for (;;) {
    const ssize_t received = ::read(in.number(), chunk.data(), chunk.size());
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return failure(file, errno);
    if (received == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(received));
  }
}

}  // namespace cppx::controller
