#include "routing/http/path.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cppx::routing {
namespace {

constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Whether the path is normal already, in one pass and without writing anything.
bool is_normal(std::string_view path) noexcept {
  char previous = '\0';
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '%' || c == '\0') return false;
    if (previous == '/') {
      if (c == '/') return false;
      if (c == '.') {
        const std::string_view rest = path.substr(i + 1);
        if (rest.empty() || rest.front() == '/' || rest == "." || rest.starts_with("./"))
          return false;
      }
    }
    previous = c;
  }
  return true;
}

/// Appends one path segment, decoded but for an encoded '/' and '%'. False: bad escape or NUL.
bool append_decoded(std::string_view segment, std::string& out) {
  for (std::size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c == '%') {
      if (i + 2 >= segment.size()) return false;
      const int high = hex_value(segment[i + 1]);
      const int low = hex_value(segment[i + 2]);
      if (high < 0 || low < 0) return false;
      i += 2;
      c = static_cast<char>(high * 16 + low);
      if (c == '/' || c == '%') {
        out.append(c == '/' ? "%2F" : "%25");
        continue;
      }
    }
    if (c == '\0') return false;
    out.push_back(c);
  }
  return true;
}

}  // namespace

std::optional<std::string_view> normalize_path(std::string_view raw, std::string& scratch) {
  if (!raw.starts_with('/')) return std::nullopt;
  if (is_normal(raw)) return raw;

  scratch.assign(1, '/');
  std::size_t begin = 1;
  while (begin <= raw.size()) {
    const std::size_t slash = raw.find('/', begin);
    const bool last = slash == std::string_view::npos;
    const std::size_t end = last ? raw.size() : slash;
    const std::size_t start = scratch.size();  // just behind a '/'
    if (!append_decoded(raw.substr(begin, end - begin), scratch)) return std::nullopt;

    const std::string_view segment = std::string_view(scratch).substr(start);
    if (segment == ".") {
      scratch.resize(start);
    } else if (segment == "..") {
      if (start == 1) return std::nullopt;
      scratch.resize(scratch.rfind('/', start - 2) + 1);
    } else if (!segment.empty() && !last) {
      scratch.push_back('/');
    }
    begin = end + 1;
  }
  return scratch;
}

}  // namespace cppx::routing
