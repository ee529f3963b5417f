#pragma once

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/codec/http2/stream_record.h"

namespace cppx::proxy::http2 {

class Session;

/// What nghttp2 calls while it receives and sends. `user` is the Session. Not to be thrown through:
/// memory that runs out ends the process.
struct SessionCallbacks {
  static void install(nghttp2_session_callbacks* callbacks);
  /// Reads what send_data() and send_trailers() were given; the source is the StreamRecord.
  static nghttp2_data_provider body_of(StreamRecord& stream) noexcept;

 private:
  // received
  static int on_begin_headers(
      nghttp2_session* session, const nghttp2_frame* frame, void* user
  ) noexcept;
  static int on_header(
      nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name,
      nghttp2_rcbuf* value, std::uint8_t flags, void* user
  ) noexcept;
  static int on_invalid_header(
      nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name,
      nghttp2_rcbuf* value, std::uint8_t flags, void* user
  ) noexcept;
  static int on_data(
      nghttp2_session* session, std::uint8_t flags, std::int32_t id, const std::uint8_t* data,
      std::size_t size, void* user
  ) noexcept;
  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) noexcept;
  static int on_stream_close(
      nghttp2_session* session, std::int32_t id, std::uint32_t error_code, void* user
  ) noexcept;

  // sent
  static ssize_t read_body(
      nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t size,
      std::uint32_t* flags, nghttp2_data_source* source, void* user
  ) noexcept;
  static int send_data(
      nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* head, std::size_t size,
      nghttp2_data_source* source, void* user
  ) noexcept;
  static int before_frame_sent(
      nghttp2_session* session, const nghttp2_frame* frame, void* user
  ) noexcept;
  static int on_frame_sent(
      nghttp2_session* session, const nghttp2_frame* frame, void* user
  ) noexcept;

  // parts of them
  static int after_request_head(Session& self, StreamRecord& stream, bool ended);
  static int after_response_head(Session& self, StreamRecord& stream, bool ended);
  static int after_trailers(Session& self, StreamRecord& stream);
  static int after_headers(Session& self, StreamRecord& stream, bool ended);
  static void after_our_end(Session& self, StreamRecord& stream);
  static int after_reset(Session& self, StreamRecord* stream);
};

/// A useful frame pays for the WINDOW_UPDATE of its stream and that of its connection.
inline constexpr std::uint32_t kUsefulCredit = 2;

inline Session& session_of(void* user) noexcept { return *static_cast<Session*>(user); }

inline bool has_flag(const nghttp2_frame_hd& head, std::uint8_t flag) noexcept {
  return (head.flags & flag) != 0;
}

/// As nghttp2 wants them; valid while the fields are. Nothing fits into nghttp2's signature but
/// pointers that are not const: it only reads.
inline nghttp2_nv to_nv(std::string_view name, std::string_view value) noexcept {
  return {
      .name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),    // NOLINT
      .value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),  // NOLINT
      .namelen = name.size(),
      .valuelen = value.size(),
      .flags = NGHTTP2_NV_FLAG_NONE
  };
}

}  // namespace cppx::proxy::http2
