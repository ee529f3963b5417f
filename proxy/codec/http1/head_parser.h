#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "routing/http/message.h"

namespace cppx::proxy::http1 {

/// Splits an HTTP/1.x head into its parts with llhttp in strict mode. Fed with a growing buffer
/// that may move between calls; keeps offsets, not pointers, and no copy. What the parts mean
/// together is decided by head_validator.h. Never touches a body.
class HeadParser {
 public:
  enum class Kind : std::uint8_t { kRequest, kResponse };
  enum class Status : std::uint8_t {
    kNeedMore,       ///< The head is not complete.
    kDone,           ///< head_bytes() of the buffer are the head.
    kMalformed,      ///< Not HTTP/1.x, or one of the things strict parsing refuses.
    kTooManyFields,  ///< More than routing::kMaxHeaderFields.
  };

  explicit HeadParser(Kind kind) noexcept;
  HeadParser(const HeadParser&) = delete;
  HeadParser& operator=(const HeadParser&) = delete;

  void reset() noexcept;

  /// `buffer` is everything received since reset(), the bytes of earlier calls unchanged in front.
  Status parse(std::string_view buffer) noexcept;

  [[nodiscard]] std::size_t head_bytes() const noexcept { return head_bytes_; }
  /// Bytes of the request line so far, up to the end of the target.
  [[nodiscard]] std::size_t start_line_bytes() const noexcept;
  /// Whether the request line has been read to its end.
  [[nodiscard]] bool in_fields() const noexcept { return field_count_ != 0 || head_bytes_ != 0; }
  /// Malformed because of its version alone (answered 505).
  [[nodiscard]] bool bad_version() const noexcept { return bad_version_; }

  /// After kDone: the parts as views into `buffer`, which is the one of the last call.
  struct Field {
    std::string_view name;
    std::string_view value;
    bool folded = false;  ///< Continued on a second line (obs-fold, RFC 9112 5.2).
  };
  [[nodiscard]] std::size_t field_count() const noexcept { return field_count_; }
  [[nodiscard]] Field field(std::size_t index, std::string_view buffer) const noexcept;
  [[nodiscard]] std::string_view target(std::string_view buffer) const noexcept;  ///< Requests.
  /// What follows the target, from "HTTP/1.1" on to the end of the buffer; requests.
  [[nodiscard]] std::string_view protocol(std::string_view buffer) const noexcept;
  /// Requests. As soon as it has been read, even when what follows is malformed; empty before.
  [[nodiscard]] std::string_view method(std::string_view buffer) const noexcept;
  [[nodiscard]] std::uint16_t status() const noexcept { return parser_.status_code; }
  [[nodiscard]] std::string_view reason(std::string_view buffer) const noexcept;  ///< Responses.
  [[nodiscard]] std::uint8_t major_version() const noexcept { return parser_.http_major; }
  [[nodiscard]] std::uint8_t minor_version() const noexcept { return parser_.http_minor; }

 private:
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    bool gap = false;  // came in pieces that do not touch
  };
  struct FieldSpans {
    Span name;
    Span value;
  };

  static const llhttp_settings_t& settings() noexcept;
  static int on_target(llhttp_t* parser, const char* at, std::size_t size) noexcept;
  static int on_reason(llhttp_t* parser, const char* at, std::size_t size) noexcept;
  static int on_name(llhttp_t* parser, const char* at, std::size_t size) noexcept;
  static int on_name_complete(llhttp_t* parser) noexcept;
  static int on_value(llhttp_t* parser, const char* at, std::size_t size) noexcept;
  static int on_value_complete(llhttp_t* parser) noexcept;
  static int on_head_complete(llhttp_t* parser) noexcept;

  void extend(Span& span, const char* at, std::size_t size) const noexcept;
  /// kDone: the method is known, and llhttp has to be fed from its end on.
  Status find_method(std::string_view buffer) noexcept;

  llhttp_t parser_{};
  Kind kind_;
  const char* base_ = nullptr;  // of the buffer of the call in progress
  std::size_t fed_ = 0;
  std::size_t head_bytes_ = 0;
  Span method_;
  Span start_;  // target or reason
  std::size_t field_count_ = 0;
  bool too_many_ = false;
  bool bad_version_ = false;
  // The one in progress is the last; grows with the heads that come, and keeps its size.
  std::vector<FieldSpans> fields_;
};

}  // namespace cppx::proxy::http1
