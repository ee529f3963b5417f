#include "proxy/stream/http1/http1_side.h"

namespace cppx::proxy {
namespace {

using BodyStatus = http1::BodyReader::Status;

BodyPart::Status status_of(BodyStatus status) noexcept {
  switch (status) {
    case BodyStatus::kData:
      return BodyPart::Status::kMore;
    case BodyStatus::kNeedMore:
      return BodyPart::Status::kWait;
    case BodyStatus::kEnd:
      return BodyPart::Status::kEnd;
    case BodyStatus::kBad:
      break;
  }
  return BodyPart::Status::kBad;
}

}  // namespace

BodyPart Http1Side::next_part(std::string_view input, std::size_t& begin) {
  const auto found = gather.gather(body, input);
  begin += found.consumed;
  BodyPart part{
      .status = status_of(found.status), .pieces = found.pieces, .bytes = found.body_bytes
  };
  // A body whose length is known ends with its last byte, not in a step of its own.
  if (body.finished()) {
    part.status = BodyPart::Status::kEnd;
    part.trailers = body.trailers();
  }
  return part;
}

}  // namespace cppx::proxy
