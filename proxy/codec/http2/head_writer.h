#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/codec/head_fields.h"
#include "proxy/codec/http2/field.h"
#include "routing/http/message.h"

namespace cppx::proxy::http2 {

/// The fields of a head that is to be submitted, without a heap: views into the head it is made
/// from, static text, and `scratch` for what has to be put together.
class FieldList {
 public:
  static constexpr std::size_t kMaxFields = routing::kMaxHeaderFields + 24;

  explicit FieldList(std::span<char> scratch) noexcept : scratch_(scratch) {}

  void field(std::string_view name, std::string_view value) noexcept;
  void number(std::string_view name, std::uint64_t value) noexcept;
  /// One field from several pieces of text.
  void begin_list(std::string_view name) noexcept;
  void list_item(std::string_view text) noexcept;
  void end_list() noexcept;

  /// False: there was no room, and the head is not to be used.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::span<const Field> all() const noexcept { return {fields_.data(), size_}; }

 private:
  std::array<Field, kMaxFields> fields_;
  std::size_t size_ = 0;
  std::span<char> scratch_;
  std::size_t scratch_used_ = 0;
  std::string_view list_name_;
  std::size_t list_begin_ = 0;
  bool ok_ = true;
};

/// The head of the request as an HTTP/2 backend gets it, pseudo fields first: what
/// http1::write_request_head() sends (head_fields.h), and "te: trailers" when the client sent it,
/// which gRPC asks for. Not for upgrades: backends are asked for those in HTTP/1.1.
void write_request_head(
    FieldList& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
);

/// The fields of the response as an HTTP/2 client gets them: what http1::write_response_head()
/// sends, but for the framing. With `plan.upgrade` the status is 200 in place of 101, and
/// Sec-WebSocket-Accept is left out (RFC 8441 5.1).
void write_response_head(
    FieldList& out, const routing::ResponseHead& response, const ResponsePlan& plan
);

/// The fields of a 1xx response.
void write_interim_head(FieldList& out, const routing::ResponseHead& response);

}  // namespace cppx::proxy::http2
