#include "proxy/codec/http1/head_parser.h"

namespace cppx::proxy::http1 {
namespace {

HeadParser& self(llhttp_t* parser) noexcept { return *static_cast<HeadParser*>(parser->data); }

// on_headers_complete: the message has no body as far as llhttp is concerned, stop right behind the
// head.
constexpr int kStopAfterHead = 2;
constexpr int kRefuse = -1;
constexpr std::size_t kUsualFields = 16;

}  // namespace

HeadParser::HeadParser(Kind kind) noexcept : kind_(kind) { reset(); }

const llhttp_settings_t& HeadParser::settings() noexcept {
  static const llhttp_settings_t instance = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_url = on_target;
    made.on_status = on_reason;
    made.on_header_field = on_name;
    made.on_header_field_complete = on_name_complete;
    made.on_header_value = on_value;
    made.on_header_value_complete = on_value_complete;
    made.on_headers_complete = on_head_complete;
    return made;
  }();
  return instance;
}

void HeadParser::reset() noexcept {
  llhttp_init(&parser_, kind_ == Kind::kRequest ? HTTP_REQUEST : HTTP_RESPONSE, &settings());
  parser_.data = this;
  base_ = nullptr;
  fed_ = head_bytes_ = field_count_ = 0;
  method_ = start_ = {};
  if (!fields_.empty()) fields_[0] = {};
  too_many_ = bad_version_ = false;
}

HeadParser::Status HeadParser::parse(std::string_view buffer) noexcept {
  if (fields_.empty()) fields_.resize(kUsualFields);
  base_ = buffer.data();
  if (buffer.size() == fed_) return Status::kNeedMore;
  if (kind_ == Kind::kRequest && method_.size == 0) {
    const Status found = find_method(buffer);
    if (found != Status::kDone) return found;
  }
  const llhttp_errno_t error = llhttp_execute(&parser_, buffer.data() + fed_, buffer.size() - fed_);
  fed_ = buffer.size();
  if (error == HPE_OK) return Status::kNeedMore;
  if (error == HPE_PAUSED_UPGRADE) {
    head_bytes_ = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - buffer.data());
    return Status::kDone;
  }
  if (too_many_) return Status::kTooManyFields;
  bad_version_ = error == HPE_INVALID_VERSION;
  return Status::kMalformed;
}

// llhttp knows some methods only: for it they are all the same one.
HeadParser::Status HeadParser::find_method(std::string_view buffer) noexcept {
  fed_ = buffer.size();
  // Only whole empty lines may stand in front (RFC 9112 2.2): a bare CR or LF begins no method.
  std::string_view line = buffer;
  while (line.starts_with("\r\n")) line.remove_prefix(2);
  if (line.empty() || line == "\r") return Status::kNeedMore;
  const std::size_t begin = buffer.size() - line.size();
  const std::string_view method = line.substr(0, line.find(' '));
  if (!routing::is_method(method)) return Status::kMalformed;
  if (method.size() == line.size()) return Status::kNeedMore;
  constexpr std::string_view kAny = "GET";
  if (llhttp_execute(&parser_, kAny.data(), kAny.size()) != HPE_OK) return Status::kMalformed;
  method_ = {
      .begin = static_cast<std::uint32_t>(begin), .size = static_cast<std::uint32_t>(method.size())
  };
  fed_ = begin + method.size();
  return Status::kDone;
}

std::size_t HeadParser::start_line_bytes() const noexcept {
  return start_.size == 0 ? fed_ : start_.begin + start_.size;
}

HeadParser::Field HeadParser::field(std::size_t index, std::string_view buffer) const noexcept {
  const FieldSpans& spans = fields_[index];
  return {
      .name = buffer.substr(spans.name.begin, spans.name.size),
      .value = buffer.substr(spans.value.begin, spans.value.size),
      .folded = spans.name.gap || spans.value.gap
  };
}

std::string_view HeadParser::target(std::string_view buffer) const noexcept {
  return buffer.substr(start_.begin, start_.size);
}

std::string_view HeadParser::reason(std::string_view buffer) const noexcept {
  return buffer.substr(start_.begin, start_.size);
}

std::string_view HeadParser::protocol(std::string_view buffer) const noexcept {
  const std::size_t begin = std::size_t{start_.begin} + start_.size + 1;
  return begin < buffer.size() ? buffer.substr(begin) : std::string_view{};
}

std::string_view HeadParser::method(std::string_view buffer) const noexcept {
  return buffer.substr(method_.begin, method_.size);
}

void HeadParser::extend(Span& span, const char* at, std::size_t size) const noexcept {
  const auto begin = static_cast<std::uint32_t>(at - base_);
  if (span.size == 0) {
    span.begin = begin;
  } else if (span.begin + span.size != begin) {
    span.gap = true;
    return;
  }
  span.size += static_cast<std::uint32_t>(size);
}

int HeadParser::on_target(llhttp_t* parser, const char* at, std::size_t size) noexcept {
  HeadParser& head = self(parser);
  head.extend(head.start_, at, size);
  return 0;
}

int HeadParser::on_reason(llhttp_t* parser, const char* at, std::size_t size) noexcept {
  return on_target(parser, at, size);
}

int HeadParser::on_name(llhttp_t* parser, const char* at, std::size_t size) noexcept {
  HeadParser& head = self(parser);
  if (head.field_count_ == routing::kMaxHeaderFields) {
    head.too_many_ = true;
    return kRefuse;
  }
  head.extend(head.fields_[head.field_count_].name, at, size);
  return 0;
}

int HeadParser::on_name_complete(llhttp_t* parser) noexcept {
  HeadParser& head = self(parser);
  head.fields_[head.field_count_].value = {};
  return 0;
}

int HeadParser::on_value(llhttp_t* parser, const char* at, std::size_t size) noexcept {
  HeadParser& head = self(parser);
  if (size != 0) head.extend(head.fields_[head.field_count_].value, at, size);
  return 0;
}

int HeadParser::on_value_complete(llhttp_t* parser) noexcept {
  HeadParser& head = self(parser);
  ++head.field_count_;
  if (head.field_count_ == routing::kMaxHeaderFields) return 0;
  if (head.field_count_ == head.fields_.size()) head.fields_.resize(2 * head.field_count_);
  head.fields_[head.field_count_] = {};
  return 0;
}

int HeadParser::on_head_complete(llhttp_t*) noexcept { return kStopAfterHead; }

}  // namespace cppx::proxy::http1
