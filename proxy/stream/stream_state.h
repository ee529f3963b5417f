#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/codec/http1/body_reader.h"
#include "proxy/codec/http1/head_parser.h"
#include "routing/http/message.h"

namespace cppx::proxy {

/// Turns what a BodyReader finds into pieces for one write, with chunk framing of our own where the
/// other side needs it.
class BodyGather {
 public:
  struct Result {
    std::span<iovec> pieces;   ///< Valid until the next gather().
    std::size_t consumed = 0;  ///< Of the input.
    std::size_t body_bytes = 0;
    /// kData: there is more in the input, call again; else as BodyReader.
    http1::BodyReader::Status status = http1::BodyReader::Status::kData;
  };
  /// `lead` (a head, may be empty) goes before the body.
  Result gather(
      http1::BodyReader& reader, std::string_view input, bool chunked, std::string_view lead
  );

 private:
  static constexpr std::size_t kMaxPieces = 48;
  static constexpr std::size_t kSizeLine = 20;

  void push(std::string_view text) noexcept;

  std::array<iovec, kMaxPieces> pieces_;
  std::size_t count_ = 0;
  std::array<std::array<char, kSizeLine>, kMaxPieces / 3> size_lines_;
};

/// What a stream needs beyond its buffers, some 20 KiB: kept by the worker for reuse, so that an
/// idle connection has none.
struct StreamState {
  http1::HeadParser request_parser{http1::HeadParser::Kind::kRequest};
  http1::HeadParser response_parser{http1::HeadParser::Kind::kResponse};
  routing::RequestHead request;
  routing::ResponseHead response;
  http1::BodyReader request_body;
  http1::BodyReader response_body;
  BodyGather request_gather;
  BodyGather response_gather;
  std::string path_scratch;
  std::string set_cookie;
};

class StreamStatePool {
 public:
  std::unique_ptr<StreamState> take() {
    if (free_.empty()) return std::make_unique<StreamState>();
    auto state = std::move(free_.back());
    free_.pop_back();
    return state;
  }
  void give_back(std::unique_ptr<StreamState> state) {
    if (free_.size() < kKept) free_.push_back(std::move(state));
  }

 private:
  static constexpr std::size_t kKept = 512;
  std::vector<std::unique_ptr<StreamState>> free_;
};

}  // namespace cppx::proxy
