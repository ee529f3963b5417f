#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cppx::controller {

/// Cuts a stream into lines, whatever pieces it comes in. A line longer than `limit_bytes` is
/// dropped whole and counted.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void feed(std::string_view bytes);
  /// The next complete line without its line end, empty lines left out; valid until the next call
  /// of any method.
  std::optional<std::string_view> next();

  [[nodiscard]] std::size_t dropped() const noexcept { return dropped_; }
  /// Bytes held of lines not yet taken.
  [[nodiscard]] std::size_t pending_bytes() const noexcept { return buffer_.size() - start_; }

 private:
  void compact();

  std::size_t limit_bytes_;
  std::string buffer_;
  std::size_t start_ = 0;    ///< Where the present line begins.
  std::size_t scanned_ = 0;  ///< No line end lies between start_ and here.
  bool dropping_ = false;
  std::size_t dropped_ = 0;
};

}  // namespace cppx::controller
