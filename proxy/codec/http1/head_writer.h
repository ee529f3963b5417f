#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/codec/head_fields.h"
#include "routing/http/message.h"

namespace cppx::proxy::http1 {

using proxy::ForwardedInfo;
using proxy::ResponsePlan;

/// Appends text to a buffer of fixed size; once it does not fit, ok() is false and nothing more is
/// written.
class HeadBuffer {
 public:
  explicit HeadBuffer(std::span<char> memory) noexcept : memory_(memory) {}

  void append(std::string_view text) noexcept;
  void append_number(std::uint64_t number) noexcept;
  /// "Name: value\r\n"
  void field(std::string_view name, std::string_view value) noexcept;
  /// The same from several pieces of text.
  void begin_list(std::string_view name) noexcept;
  void list_item(std::string_view text) noexcept { append(text); }
  void end_list() noexcept { append("\r\n"); }
  void end() noexcept { append("\r\n"); }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::string_view text() const noexcept { return {memory_.data(), used_}; }

 private:
  std::span<char> memory_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

/// The head of the request as the backend gets it: our own fields first, then the client's others
/// in their order, case and number (PassedFields).
void write_request_head(
    HeadBuffer& out, const routing::RequestHead& request, const ForwardedInfo& forwarded
);

void write_response_head(
    HeadBuffer& out, const routing::ResponseHead& response, const ResponsePlan& plan
);

/// 1xx other than 101 (RFC 9110 15.2): status line and fields, no framing.
void write_interim_head(HeadBuffer& out, const routing::ResponseHead& response);

/// "1a2b\r\n"; returns the size written into `out`, which has room for 18 bytes.
std::size_t write_chunk_size(std::span<char> out, std::uint64_t size) noexcept;

}  // namespace cppx::proxy::http1
