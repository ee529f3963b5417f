#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/codec/http2/field_store.h"

namespace cppx::proxy::http2 {

/// What a session remembers of a stream beside what nghttp2 does: some 120 bytes and the head.
struct StreamRecord {
  StreamRecord* next = nullptr;
  StreamRecord* previous = nullptr;
  FieldStore head;                  ///< The peer's.
  FieldStore trailers;              ///< Ours, until they are sent.
  std::span<const iovec> pieces;    ///< The caller's, not taken by pull() yet.
  std::size_t first_offset = 0;     ///< In the first of the pieces.
  std::uint64_t pending_bytes = 0;  ///< Of all pieces.
  std::uint32_t unconsumed_bytes = 0;
  std::uint32_t reset_code = 0;  ///< Given to reset().
  std::int32_t id = 0;

  bool told = false;         ///< The listener knows the stream.
  bool head_ended = false;   ///< The peer's head was its whole message.
  bool discard = false;      ///< What else comes is thrown away.
  bool peer_ended = false;   ///< END_STREAM came.
  bool answered = false;     ///< Client: a response has begun, an interim one at least.
  bool final_head = false;   ///< Client: the final response has begun.
  bool peer_reset = false;   ///< RST_STREAM came.
  bool head_method = false;  ///< Client: the request was HEAD.
  bool tunnel = false;       ///< Extended CONNECT, not refused: each side ends on its own.
  bool unsent = false;       ///< Client: the request's head waits in nghttp2.
  bool head_given = false;   ///< Our (final) head was submitted.
  bool data_given = false;   ///< A send_data() is under way.
  bool end_given = false;    ///< Nothing more of ours follows.
  bool trailers_given = false;
  bool ended = false;        ///< Our END_STREAM was sent.
  bool deferred = false;     ///< nghttp2 waits for resume().
  bool reset_asked = false;  ///< The listener called reset().
};

}  // namespace cppx::proxy::http2
