#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace cppx::log {

enum class Level : unsigned char { kDebug, kInfo, kWarning, kError };

/// Starts the log on standard error; lines are written by a thread of the log's own, so no caller
/// waits for the terminal. Called once by main; without it, messages go nowhere (unit tests).
void start(Level least, bool json);
/// Writes what is queued and ends the log's thread. False: standard error has taken nothing for so
/// long; the thread still waits for it, and the process can only end without it (_Exit).
[[nodiscard]] bool stop(std::chrono::milliseconds patience = std::chrono::seconds(2));

bool enabled(Level level) noexcept;
/// One line, no trailing new line. Control characters in it are written as \xNN: text that comes
/// from clients or objects cannot forge lines.
void write(Level level, std::string_view line);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug))
    write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarning))
    write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError))
    write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cppx::log
