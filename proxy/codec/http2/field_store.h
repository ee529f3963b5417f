#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/http/message.h"

namespace cppx::proxy::http2 {

/// Pseudo fields (RFC 9113 8.3), and kNone for all others.
enum class Pseudo : std::uint8_t {
  kNone,
  kMethod,
  kScheme,
  kAuthority,
  kPath,
  kProtocol,
  kStatus,
};

struct StoredField {
  std::string_view name;
  std::string_view value;
  routing::HeaderId id = routing::HeaderId::kOther;
  Pseudo pseudo = Pseudo::kNone;
};

/// Reads what FieldWriter wrote.
class FieldCursor {
 public:
  explicit FieldCursor(std::string_view bytes) noexcept : rest_(bytes) {}
  /// The next field, in the order they came; false at the end.
  bool next(StoredField& field) noexcept;

 private:
  std::string_view rest_;
};

/// A decoded field section in one block of just its size: what a stream keeps of its head. Views
/// that a cursor gives live as long as the store.
class FieldStore {
 public:
  FieldStore() = default;
  FieldStore(FieldStore&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  FieldStore& operator=(FieldStore&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  [[nodiscard]] FieldCursor fields() const noexcept { return FieldCursor({bytes_.get(), size_}); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  friend class FieldWriter;
  std::unique_ptr<char[]> bytes_;
  std::uint32_t size_ = 0;
};

/// Gathers a field section while it is decoded: one for each connection, because sections come one
/// after the other.
class FieldWriter {
 public:
  /// `limit_bytes`: of names, values and 32 for each field (RFC 9113 6.5.2).
  void start(std::uint32_t limit_bytes);
  /// Past the limit fields are only counted.
  void add(std::string_view name, std::string_view value);
  /// A field was left out because it is malformed.
  void spoil() noexcept { malformed_ = true; }

  [[nodiscard]] bool malformed() const noexcept { return malformed_; }
  /// The method is HEAD, also where it was only counted.
  [[nodiscard]] bool head_method() const noexcept { return head_method_; }
  [[nodiscard]] bool too_large() const noexcept;
  [[nodiscard]] std::uint64_t counted_bytes() const noexcept { return counted_bytes_; }
  /// What has been gathered, as it came.
  [[nodiscard]] FieldCursor fields() const noexcept {
    return FieldCursor({bytes_.data(), bytes_.size()});
  }
  /// The section to keep: several Cookie fields are one (RFC 9113 8.2.3).
  [[nodiscard]] FieldStore finish();

 private:
  struct Header;
  static Header header_of(std::string_view name, std::string_view value) noexcept;
  static char* put(char* out, std::string_view text) noexcept;

  std::vector<char> bytes_;
  std::uint64_t counted_bytes_ = 0;
  std::uint32_t limit_bytes_ = 0;
  std::uint32_t count_ = 0;  // without pseudo fields; all cookies are one
  std::uint32_t cookies_ = 0;
  std::uint32_t cookie_bytes_ = 0;
  bool malformed_ = false;
  bool head_method_ = false;

  friend class FieldCursor;
};

}  // namespace cppx::proxy::http2
