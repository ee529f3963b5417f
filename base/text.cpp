#include "base/text.h"

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace cppx {
namespace {

/// C0 and DEL; and C1 (U+0080 to U+009F, among them a new line and the start of terminal commands),
/// in UTF-8 or as single octets in text that is not UTF-8.
bool is_control(unsigned char previous, unsigned char byte) noexcept {
  if (byte < 0x20 || byte == 0x7f) return true;
  return byte >= 0x80 && byte < 0xa0 && (previous < 0x80 || previous == 0xc2);
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return text.substr(0, 0);
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::vector<std::string_view> split_list(std::string_view text, char separator) {
  std::vector<std::string_view> items;
  while (!text.empty()) {
    const auto end = text.find(separator);
    const auto item = trim(text.substr(0, end));
    if (!item.empty()) items.push_back(item);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return items;
}

std::string printable(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  unsigned char previous = 0;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_control(previous, byte))
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    else
      out.push_back(c);
    previous = byte;
  }
  return out;
}

}  // namespace cppx
