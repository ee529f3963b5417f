#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cppx::routing {

/// Header fields the proxy itself looks at or sets; everything else is kOther.
enum class HeaderId : std::uint8_t {
  kOther,
  kConnection,
  kContentLength,
  kDate,
  kExpect,
  kHost,
  kKeepAlive,
  kProxy,
  kProxyConnection,
  kServer,
  kStrictTransportSecurity,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kXAccel,  ///< Any X-Accel-* and X-Pad: between a backend and its proxy only.
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedPort,
  kXForwardedProto,
  kXForwardedScheme,
  kXOriginalForwardedFor,
  kXOriginalForwardedHost,
  kXRealIp,
  kXRequestId,
  kXScheme,
};

/// By name, in any case.
HeaderId header_id(std::string_view name) noexcept;

/// Views into the buffer the head was parsed in.
struct HeaderField {
  std::string_view name;
  std::string_view value;
  HeaderId id = HeaderId::kOther;
};

/// A head has at most so many fields; more is refused (431, 502).
inline constexpr std::size_t kMaxHeaderFields = 128;

/// The fields of one head in the order they came, at most kMaxHeaderFields. Keeps its memory when
/// it is cleared, so that heads like the last one ask the heap for nothing.
class HeaderFields {
 public:
  void clear() noexcept { fields_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  [[nodiscard]] bool full() const noexcept { return fields_.size() == kMaxHeaderFields; }
  void push(const HeaderField& field) {
    if (fields_.capacity() == 0) fields_.reserve(kUsual);
    fields_.push_back(field);
  }
  [[nodiscard]] std::span<const HeaderField> all() const noexcept { return fields_; }
  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }

 private:
  static constexpr std::size_t kUsual = 16;
  std::vector<HeaderField> fields_;
};

/// How the end of a body is found (RFC 9112 6.3).
enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct RequestHead {
  std::string_view method;
  std::string_view target;  ///< Path and query, as sent; begins with '?' when the path is empty.
  std::string_view path;    ///< Of the target, without query.
  std::string_view
      host;  ///< Host field, or the authority of an absolute target; may be empty (HTTP/1.0).
  std::uint8_t minor_version = 1;
  HeaderFields fields;
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;
  bool has_content_length = false;
  bool keep_alive = true;        ///< What the client asked for.
  bool expect_continue = false;  ///< Expect: 100-continue (RFC 9110 10.1.1).
  bool upgrade = false;          ///< Connection: upgrade with an Upgrade field (RFC 9110 7.8).
  std::string_view upgrade_protocol;
  bool idempotent = true;  ///< May be sent twice.
  bool head_method = false;

  void clear() noexcept;
};

struct ResponseHead {
  std::uint16_t status = 0;
  std::string_view reason;
  std::uint8_t minor_version = 1;
  HeaderFields fields;
  BodyFraming framing = BodyFraming::kUntilClose;
  std::uint64_t content_length = 0;
  bool has_content_length = false;  ///< Also where there is no body (HEAD, 304), or an empty one.
  bool keep_alive = true;
  std::string_view upgrade_protocol;

  void clear() noexcept;
};

/// Whether a request may be sent twice: all methods but POST, LOCK and PATCH.
bool is_idempotent(std::string_view method) noexcept;

/// Whether `text` may be a method, known or not: capital letters, '-' and '_', as nginx has it.
bool is_method(std::string_view text) noexcept;

/// Whether `list`, a comma separated field value, holds `token`, in any case (RFC 9110 5.6.1).
bool has_token(std::string_view list, std::string_view token) noexcept;
/// Whether it holds each of `tokens`, which is such a list too.
bool has_tokens(std::string_view list, std::string_view tokens) noexcept;

}  // namespace cppx::routing
