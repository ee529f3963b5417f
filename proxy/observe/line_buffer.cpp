#include "proxy/observe/line_buffer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.h"

namespace cppx::proxy {
namespace {

using routing::LogEscape;
using Plain = std::array<bool, 256>;

constexpr Plain plain_of(LogEscape escape) {
  Plain plain{};
  for (std::size_t byte = 0x20; byte < plain.size(); ++byte) plain[byte] = byte != 0x7f;
  if (escape == LogEscape::kNone) return plain;
  plain['"'] = plain['\\'] = false;
  if (escape == LogEscape::kJson) {
    plain[0x7f] = true;
    return plain;
  }
  for (std::size_t byte = 0x7f; byte < plain.size(); ++byte) plain[byte] = false;
  return plain;
}

/// Whether one of the eight bytes might have to be escaped: not so only if all are printable ASCII
/// other than `"` and `\`, which nearly all are.
bool may_need_escape(const char* bytes) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x80 * kOnes;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  // Each marks at least every byte that it is about: less than a space, equal to one of three.
  const auto zero = [](std::uint64_t given) { return (given - kOnes) & ~given; };
  const std::uint64_t below = (word - ' ' * kOnes) & ~word;
  const std::uint64_t equal =
      zero(word ^ '"' * kOnes) | zero(word ^ '\\' * kOnes) | zero(word ^ 0x7f * kOnes);
  return ((word | below | equal) & kHighs) != 0;
}

constexpr std::array<Plain, 3> kPlainBytes{
    plain_of(LogEscape::kDefault), plain_of(LogEscape::kJson), plain_of(LogEscape::kNone)
};

}  // namespace

LineBuffer::LineBuffer(std::span<char> memory, LogEscape escape) noexcept
    : escape_(escape),
      plain_(kPlainBytes[static_cast<std::size_t>(escape)].data()),
      begin_(memory.data()),
      at_(begin_),
      end_(begin_ + memory.size() - 1) {}

void LineBuffer::literal(std::string_view text) noexcept {
  const std::size_t size = std::min(text.size(), static_cast<std::size_t>(end_ - at_));
  if (size != 0) std::memcpy(at_, text.data(), size);
  at_ += size;
}

std::size_t LineBuffer::plain_size(std::string_view text) const noexcept {
  std::size_t size = 0;
  while (text.size() - size >= sizeof(std::uint64_t) && !may_need_escape(text.data() + size))
    size += sizeof(std::uint64_t);
  while (size < text.size() && plain_[static_cast<unsigned char>(text[size])]) ++size;
  return size;
}

void LineBuffer::value(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = plain_size(text);
    literal(text.substr(0, size));
    if (size == text.size()) return;
    escaped(static_cast<unsigned char>(text[size]));
    text.remove_prefix(size + 1);
  }
}

void LineBuffer::lowered(std::string_view text) noexcept {
  for (const char c : text) {
    const char lower = to_lower(c);
    value({&lower, 1});
  }
}

void LineBuffer::escaped(unsigned char byte) noexcept {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const std::array<char, 2> hex{kDigits[byte >> 4U], kDigits[byte & 15U]};
  if (escape_ != LogEscape::kJson) {
    literal("\\x");
    literal({hex.data(), hex.size()});
    return;
  }
  constexpr std::string_view kShort = "\"\\\n\r\t\b\f";
  constexpr std::string_view kLetters = "\"\\nrtbf";
  const auto found = kShort.find(static_cast<char>(byte));
  if (found != std::string_view::npos) {
    literal("\\");
    literal(kLetters.substr(found, 1));
  } else {
    literal("\\u00");
    literal({hex.data(), hex.size()});
  }
}

void LineBuffer::number(std::uint64_t number) noexcept {
  std::array<char, 20> digits;
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  literal({digits.data(), end});
}

void LineBuffer::padded(std::uint64_t number, std::size_t digits) noexcept {
  std::array<char, 3> text{};
  for (std::size_t i = digits; i > 0; --i, number /= 10)
    text[i - 1] = static_cast<char>('0' + number % 10);
  literal({text.data(), digits});
}

void LineBuffer::seconds(std::chrono::milliseconds time) noexcept {
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
  number(count / 1000);
  literal(".");
  padded(count % 1000, 3);
}

std::string_view LineBuffer::finish() noexcept {
  *at_++ = '\n';
  return {begin_, at_};
}

}  // namespace cppx::proxy
