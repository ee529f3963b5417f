#include "proxy/codec/http2/field_store.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "routing/http/message.h"

namespace cppx::proxy::http2 {
namespace {

using routing::HeaderId;

constexpr std::size_t kStartBytes = 1024;
constexpr std::size_t kKeptBytes = 4096;
constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 6.5.2
constexpr std::string_view kCookieSeparator = "; ";

Pseudo pseudo_of(std::string_view name) noexcept {
  if (!name.starts_with(':')) return Pseudo::kNone;
  if (name == ":method") return Pseudo::kMethod;
  if (name == ":scheme") return Pseudo::kScheme;
  if (name == ":authority") return Pseudo::kAuthority;
  if (name == ":path") return Pseudo::kPath;
  if (name == ":protocol") return Pseudo::kProtocol;
  if (name == ":status") return Pseudo::kStatus;
  return Pseudo::kNone;
}

bool is_cookie(const StoredField& field) noexcept {
  return field.pseudo == Pseudo::kNone && field.name == "cookie";
}

}  // namespace

/// Stands before each name and value; not aligned.
struct FieldWriter::Header {
  std::uint32_t name_size;
  std::uint32_t value_size;
  HeaderId id;
  Pseudo pseudo;
};

bool FieldCursor::next(StoredField& field) noexcept {
  FieldWriter::Header header;
  if (rest_.size() < sizeof(header)) return false;
  std::memcpy(&header, rest_.data(), sizeof(header));
  rest_.remove_prefix(sizeof(header));
  field.name = rest_.substr(0, header.name_size);
  field.value = rest_.substr(header.name_size, header.value_size);
  field.id = header.id;
  field.pseudo = header.pseudo;
  rest_.remove_prefix(std::size_t{header.name_size} + header.value_size);
  return true;
}

FieldWriter::Header FieldWriter::header_of(std::string_view name, std::string_view value) noexcept {
  return {
      .name_size = static_cast<std::uint32_t>(name.size()),
      .value_size = static_cast<std::uint32_t>(value.size()),
      .id = routing::header_id(name),
      .pseudo = pseudo_of(name)
  };
}

char* FieldWriter::put(char* out, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

void FieldWriter::start(std::uint32_t limit_bytes) {
  bytes_.clear();
  if (bytes_.capacity() > kKeptBytes) bytes_.shrink_to_fit();
  bytes_.reserve(kStartBytes);
  limit_bytes_ = limit_bytes;
  counted_bytes_ = 0;
  count_ = cookies_ = cookie_bytes_ = 0;
  malformed_ = head_method_ = false;
}

bool FieldWriter::too_large() const noexcept {
  return counted_bytes_ > limit_bytes_ || count_ > routing::kMaxHeaderFields;
}

void FieldWriter::add(std::string_view name, std::string_view value) {
  counted_bytes_ += name.size() + value.size() + kFieldOverhead;
  head_method_ = head_method_ || (name == ":method" && value == "HEAD");
  if (counted_bytes_ > limit_bytes_) return;
  const Header header = header_of(name, value);
  const bool cookie = name == "cookie";
  if (cookie) {
    if (cookies_++ > 0) cookie_bytes_ += kCookieSeparator.size();
    cookie_bytes_ += header.value_size;
  }
  if (header.pseudo == Pseudo::kNone && (!cookie || cookies_ == 1)) ++count_;
  const std::size_t used = bytes_.size();
  bytes_.resize(used + sizeof(header) + name.size() + value.size());
  char* out = bytes_.data() + used;
  std::memcpy(out, &header, sizeof(header));
  put(put(out + sizeof(header), name), value);
}

FieldStore FieldWriter::finish() {
  std::size_t size = bytes_.size();
  if (cookies_ > 1) {
    // All but one lose their place, and the one has the separators in it.
    size -= (cookies_ - 1) * (sizeof(Header) + std::string_view("cookie").size());
    size += (cookies_ - 1) * kCookieSeparator.size();
  }
  FieldStore store;
  store.bytes_ = std::make_unique_for_overwrite<char[]>(size);
  store.size_ = static_cast<std::uint32_t>(size);
  if (cookies_ < 2) {
    put(store.bytes_.get(), {bytes_.data(), bytes_.size()});
    return store;
  }
  char* out = store.bytes_.get();
  bool joined = false;
  StoredField field;
  for (FieldCursor all = fields(); all.next(field);) {
    if (is_cookie(field) && joined) continue;
    Header header = header_of(field.name, field.value);
    if (is_cookie(field)) header.value_size = cookie_bytes_;
    std::memcpy(out, &header, sizeof(header));
    out = put(out + sizeof(header), field.name);
    if (!is_cookie(field)) {
      out = put(out, field.value);
      continue;
    }
    joined = true;
    StoredField crumb;
    bool first = true;
    for (FieldCursor again = fields(); again.next(crumb);) {
      if (!is_cookie(crumb)) continue;
      if (!first) out = put(out, kCookieSeparator);
      out = put(out, crumb.value);
      first = false;
    }
  }
  return store;
}

}  // namespace cppx::proxy::http2
