#include "proxy/observe/log_clock.h"

#include <ctime>

namespace cppx::proxy {
namespace {

using std::chrono::system_clock;

constexpr std::chrono::seconds kComparedAgain{1};
// The names of strftime's %b are those of a locale.
constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void put(char*& at, int number, int digits) noexcept {
  for (int i = digits - 1; i >= 0; --i, number /= 10) at[i] = static_cast<char>('0' + number % 10);
  at += digits;
}

void put(char*& at, std::string_view text) noexcept {
  for (const char c : text) *at++ = c;
}

void put_zone(char*& at, long offset_seconds, std::string_view between) noexcept {
  *at++ = offset_seconds < 0 ? '-' : '+';
  const int minutes =
      static_cast<int>((offset_seconds < 0 ? -offset_seconds : offset_seconds) / 60);
  put(at, minutes / 60, 2);
  put(at, between);
  put(at, minutes % 60, 2);
}

void put_time(char*& at, const std::tm& parts) noexcept {
  put(at, parts.tm_hour, 2);
  put(at, ":");
  put(at, parts.tm_min, 2);
  put(at, ":");
  put(at, parts.tm_sec, 2);
}

}  // namespace

void LogClock::set(Steady now) noexcept {
  using std::chrono::duration_cast;
  if (second_ < 0 || now - compared_ >= kComparedAgain || now < compared_) {
    const auto read = std::chrono::steady_clock::now();
    offset_ = system_clock::now().time_since_epoch() - read.time_since_epoch();
    compared_ = now;
  }
  now_ = duration_cast<std::chrono::milliseconds>(now.time_since_epoch() + offset_);
  const std::int64_t second = now_.count() / 1000;
  if (second == second_) return;
  second_ = second;
  make_texts();
}

void LogClock::make_texts() noexcept {
  const auto time = static_cast<std::time_t>(second_);
  std::tm parts{};
  ::localtime_r(&time, &parts);
  char* at = local_.data();
  put(at, parts.tm_mday, 2);
  put(at, "/");
  put(at, kMonths[static_cast<std::size_t>(parts.tm_mon)]);
  put(at, "/");
  put(at, parts.tm_year + 1900, 4);
  put(at, ":");
  put_time(at, parts);
  put(at, " ");
  put_zone(at, parts.tm_gmtoff, "");
  local_size_ = static_cast<std::size_t>(at - local_.data());
  at = iso_.data();
  put(at, parts.tm_year + 1900, 4);
  put(at, "-");
  put(at, parts.tm_mon + 1, 2);
  put(at, "-");
  put(at, parts.tm_mday, 2);
  put(at, "T");
  put_time(at, parts);
  put_zone(at, parts.tm_gmtoff, ":");
  iso_size_ = static_cast<std::size_t>(at - iso_.data());
}

}  // namespace cppx::proxy
