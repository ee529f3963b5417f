#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "proxy/codec/http1/body_reader.h"

namespace cppx::proxy::http1 {

/// Collects the pieces that a BodyReader finds, so that many small chunks are passed on at once.
class BodyGather {
 public:
  static constexpr std::size_t kMaxPieces = 16;

  struct Result {
    std::span<const iovec> pieces;  ///< Valid until the next gather().
    std::size_t consumed = 0;       ///< Of the input.
    std::size_t body_bytes = 0;
    /// kData: there is more in the input, call again; else as BodyReader.
    BodyReader::Status status = BodyReader::Status::kData;
  };
  Result gather(BodyReader& reader, std::string_view input);

 private:
  std::array<iovec, kMaxPieces> pieces_;
};

/// Puts the pieces of one write together: a head, the body's pieces, and chunk framing (RFC 9112
/// 7.1) where the other side needs it.
class BodyFramer {
 public:
  struct Body {
    std::span<const iovec> pieces;  ///< At most BodyGather::kMaxPieces.
    std::size_t bytes = 0;
    bool end = false;
    std::string_view trailers{};
  };
  /// What to write, in order; valid until the next frame(). `head` may be empty.
  std::span<iovec> frame(std::string_view head, const Body& body, bool chunked);

 private:
  static constexpr std::size_t kFraming = 6;  // head, size line, CR LF, last chunk, trailers, end
  static constexpr std::size_t kSizeLine = 20;

  void push(std::string_view text) noexcept;

  std::array<iovec, BodyGather::kMaxPieces + kFraming> pieces_;
  std::size_t count_ = 0;
  std::array<char, kSizeLine> size_line_;
};

}  // namespace cppx::proxy::http1
