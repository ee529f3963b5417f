#include "proxy/codec/http1/body_reader.h"

#include <algorithm>

#include "base/text.h"
#include "proxy/codec/head_fields.h"
#include "proxy/codec/http1/head_validator.h"

namespace cppx::proxy::http1 {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

bool is_text(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

// Fifteen hexadecimal digits: more than any body, and no overflow.
constexpr unsigned kMaxSizeDigits = 15;

}  // namespace

void BodyReader::start(
    routing::BodyFraming framing, std::uint64_t content_length, const routing::HeaderFields* request
) noexcept {
  request_ = request;
  response_ = false;
  untouched_ = true;
  remaining_ = 0;
  size_digits_ = 0;
  extension_bytes_ = trailer_bytes_ = trailer_lines_ = 0;
  connection_named_.clear();
  line_.clear();
  trailers_.clear();
  switch (framing) {
    case routing::BodyFraming::kNone:
      state_ = State::kEnd;
      break;
    case routing::BodyFraming::kLength:
      remaining_ = content_length;
      state_ = content_length == 0 ? State::kEnd : State::kLength;
      break;
    case routing::BodyFraming::kChunked:
      state_ = State::kChunkSize;
      break;
    case routing::BodyFraming::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

void BodyReader::start_response(
    routing::BodyFraming framing, std::uint64_t content_length,
    const routing::HeaderFields& response
) {
  start(framing, content_length);
  response_ = true;
  if (framing == routing::BodyFraming::kChunked) append_named_fields(response, connection_named_);
}

BodyReader::Step BodyReader::next(std::string_view input) {
  untouched_ = untouched_ && input.empty();
  std::size_t used = 0;
  for (;;) {
    if (state_ == State::kEnd) return {Status::kEnd, used, {}};
    if (state_ == State::kBad) return {Status::kBad, used, {}};
    if (used == input.size()) return {Status::kNeedMore, used, {}};
    if (state_ == State::kUntilClose) return {Status::kData, input.size(), input.substr(used)};
    if (state_ == State::kLength || state_ == State::kChunkData) {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size() - used));
      remaining_ -= size;
      if (remaining_ == 0) state_ = state_ == State::kLength ? State::kEnd : State::kChunkDataCr;
      return {Status::kData, used + size, input.substr(used, size)};
    }
    step_framing(input[used++]);
  }
}

void BodyReader::step_framing(char c) {
  switch (state_) {
    case State::kChunkSize:
      step_size(c);
      break;
    case State::kChunkSpace:
      after_size(c);
      break;
    case State::kChunkExtension:
      if (c == '\r')
        state_ = State::kChunkSizeLf;
      else if (!is_text(c) || ++extension_bytes_ > kMaxExtensionBytes)
        state_ = State::kBad;
      break;
    case State::kChunkSizeLf:
      if (c != '\n')
        state_ = State::kBad;
      else
        state_ = remaining_ == 0 ? State::kTrailerLine : State::kChunkData;
      break;
    case State::kChunkDataCr:
      state_ = c == '\r' ? State::kChunkDataLf : State::kBad;
      break;
    case State::kChunkDataLf:
      state_ = c == '\n' ? State::kChunkSize : State::kBad;
      remaining_ = 0;
      size_digits_ = 0;
      extension_bytes_ = 0;
      break;
    case State::kTrailerLine:
      step_trailer(c);
      break;
    default:
      state_ = State::kBad;
      break;
  }
}

void BodyReader::step_size(char c) {
  const int digit = hex_digit(c);
  if (digit >= 0 && size_digits_ < kMaxSizeDigits) {
    remaining_ = remaining_ << 4 | static_cast<unsigned>(digit);
    ++size_digits_;
    return;
  }
  if (size_digits_ == 0 || digit >= 0)
    state_ = State::kBad;
  else if (c == '\r')
    state_ = State::kChunkSizeLf;
  else
    after_size(c);
}

// RFC 9112 7.1.1 has bad whitespace before an extension, which has to be taken. Without one it is
// not in the grammar: of a client it is refused, but some servers fill up their sizes with it.
void BodyReader::after_size(char c) {
  const bool space = c == ' ' || c == '\t';
  if (c == ';')
    state_ = State::kChunkExtension;
  else if (c == '\r' && state_ == State::kChunkSpace && response_)
    state_ = State::kChunkSizeLf;
  else
    state_ = space && ++extension_bytes_ <= kMaxExtensionBytes ? State::kChunkSpace : State::kBad;
}

void BodyReader::step_trailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) {
    state_ = State::kBad;
    return;
  }
  if (c != '\n') {
    // Within a line a CR may only stand at its end.
    if (line_.ends_with('\r') || (c != '\r' && !is_text(c)))
      state_ = State::kBad;
    else
      line_.push_back(c);
    return;
  }
  if (!line_.ends_with('\r')) {
    state_ = State::kBad;
    return;
  }
  line_.pop_back();
  if (line_.empty())
    state_ = State::kEnd;
  else if (!take_trailer_line())
    state_ = State::kBad;
  line_.clear();
}

bool BodyReader::take_trailer_line() {
  if (++trailer_lines_ > routing::kMaxHeaderFields) return false;
  const auto colon = line_.find(':');
  if (colon == std::string::npos) return false;
  const std::string_view name = std::string_view(line_).substr(0, colon);
  if (!is_token(name)) return false;
  if (!allowed_in_trailer(name)) return true;
  if (request_ != nullptr && !PassedFields(*request_, true).to_backend({.name = name, .value = {}}))
    return true;
  if (routing::has_token(connection_named_, name)) return true;
  trailers_.append(name)
      .append(": ")
      .append(trim(std::string_view(line_).substr(colon + 1)))
      .append("\r\n");
  return true;
}

BodyReader::Status BodyReader::at_close() const noexcept {
  return state_ == State::kUntilClose || state_ == State::kEnd ? Status::kEnd : Status::kBad;
}

}  // namespace cppx::proxy::http1
