#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cppx::proxy {

/// Where the access log goes: a file that is appended to, or a stream of the process.
class LogDestination {
 public:
  LogDestination() = default;
  LogDestination(const LogDestination&) = delete;
  LogDestination& operator=(const LogDestination&) = delete;
  ~LogDestination();

  /// Opens `path`, or opens it once more. When that fails what was open stays so, if it was the
  /// same path.
  Result<void> open(const std::string& path);
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Whether the file has been renamed or taken away, so that its path leads to another one.
  [[nodiscard]] bool replaced() const noexcept;

  enum class Status : std::uint8_t { kOk, kWouldBlock, kFailed };
  struct Written {
    Status status = Status::kOk;
    std::size_t bytes = 0;
    int error = 0;  ///< errno of kFailed.
  };
  /// Writes some of `pieces`, without ever waiting for a reader.
  Written write(const std::array<std::string_view, 2>& pieces);
  /// The last byte written was not the end of a line.
  [[nodiscard]] bool within_line() const noexcept { return within_line_; }
  /// What follows is not the rest of that line: it is ended first.
  void abandon_line() noexcept { torn_ = torn_ || within_line_; }

 private:
  Written write_some(const std::array<std::string_view, 2>& pieces) const;

  std::string path_;
  int descriptor_ = -1;
  bool owned_ = false;    // not a stream of the process
  bool regular_ = false;  // a file: writing to it does not wait for anybody
  bool within_line_ = false;
  bool torn_ = false;
};

}  // namespace cppx::proxy
