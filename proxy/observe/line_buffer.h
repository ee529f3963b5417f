#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "routing/log/log_format.h"

namespace cppx::proxy {

/// A line of the access log in the making. What does not fit is cut off.
class LineBuffer {
 public:
  /// `memory` holds at least one byte, for the end of the line.
  LineBuffer(std::span<char> memory, routing::LogEscape escape) noexcept;

  void literal(std::string_view text) noexcept;
  /// Escaped: it may come from anybody.
  void value(std::string_view text) noexcept;
  /// A value in lower case.
  void lowered(std::string_view text) noexcept;
  /// Where a variable has no value.
  void missing() noexcept {
    if (escape_ == routing::LogEscape::kDefault) literal("-");
  }
  void number(std::uint64_t number) noexcept;
  void padded(std::uint64_t number, std::size_t digits) noexcept;
  /// "12.345"
  void seconds(std::chrono::milliseconds time) noexcept;

  /// With its end; good as long as the memory.
  std::string_view finish() noexcept;

 private:
  void escaped(unsigned char byte) noexcept;
  /// Bytes at the start of `text` that are written as they are.
  [[nodiscard]] std::size_t plain_size(std::string_view text) const noexcept;

  routing::LogEscape escape_;
  const bool* plain_;  // for each byte: is written as it is
  char* begin_;
  char* at_;
  char* end_;  // there is a byte after it
};

}  // namespace cppx::proxy
