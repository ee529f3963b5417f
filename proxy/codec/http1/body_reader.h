#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/http/message.h"

namespace cppx::proxy::http1 {

/// Finds the body in the bytes that follow a head: by length, in chunks (RFC 9112 7.1) or until
/// close. Strict: what is not exactly a chunk ends in kBad. Holds no body bytes; data comes as
/// views into the input.
class BodyReader {
 public:
  enum class Status : std::uint8_t {
    kData,      ///< `data` is the next piece.
    kNeedMore,  ///< All of the input is used up and the body goes on.
    kEnd,       ///< The body is complete; what is left of the input belongs to the next message.
    kBad,       ///< Not a valid chunk, or trailers over their limit.
  };
  struct Step {
    Status status;
    std::size_t consumed;  ///< Bytes of the input this step used, `data` included.
    std::string_view data;
  };

  /// `request`: the fields of the head, which must outlive the body, where that is a request's. Its
  /// trailers are passed on by the same rules.
  void start(
      routing::BodyFraming framing, std::uint64_t content_length,
      const routing::HeaderFields* request = nullptr
  ) noexcept;

  /// The body of a response, whose head need not outlive it. Fields that its Connection names are
  /// no trailers to pass on.
  void start_response(
      routing::BodyFraming framing, std::uint64_t content_length,
      const routing::HeaderFields& response
  );

  /// The next piece of `input`. Call again with the rest of the input until kNeedMore or kEnd.
  Step next(std::string_view input);

  /// The peer closed its side: kEnd for a body until close, kBad for one that is cut short.
  [[nodiscard]] Status at_close() const noexcept;

  [[nodiscard]] bool finished() const noexcept { return state_ == State::kEnd; }
  /// Nothing of the input has been used since start().
  [[nodiscard]] bool untouched() const noexcept { return untouched_; }
  /// Trailer fields that may be forwarded, as "Name: value\r\n" each; empty when there are none.
  [[nodiscard]] std::string_view trailers() const noexcept { return trailers_; }

 private:
  enum class State : std::uint8_t {
    kLength,
    kUntilClose,
    kChunkSize,
    kChunkSpace,  ///< Between its size and what follows.
    kChunkExtension,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerLine,
    kEnd,
    kBad,
  };

  static constexpr std::size_t kMaxExtensionBytes = 256;
  static constexpr std::size_t kMaxTrailerBytes = 8 * 1024;

  /// One byte of chunk framing.
  void step_framing(char c);
  void step_size(char c);
  void after_size(char c);
  void step_trailer(char c);
  bool take_trailer_line();

  State state_ = State::kEnd;
  bool response_ = false;
  bool untouched_ = true;
  const routing::HeaderFields* request_ = nullptr;
  std::uint64_t remaining_ = 0;  // of the body, or of the chunk
  unsigned size_digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_lines_ = 0;
  std::string connection_named_;  // of a response: its Connection, where that may name fields
  std::string line_;              // of a trailer, in progress
  std::string trailers_;
};

}  // namespace cppx::proxy::http1
