#include "proxy/stream/http2/http2_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/stream/http2/http2_link.h"
#include "proxy/worker/worker.h"
#include "routing/http/message.h"

namespace cppx::proxy {
Http2Stream::Http2Stream(Http2Link& link)
    : link_(link), read_(link.worker().wheel(), *this), write_(link.worker().wheel(), *this) {}

Http2Stream::~Http2Stream() {
  link_.forget(*this);
  if (!closed_ && received_ != 0) link_.session().consume(id_, received_);
}

void Http2Stream::go_on(Side& side) {
  if (side.waiter) std::exchange(side.waiter, nullptr).resume();
}

void Http2Stream::Side::Timer::expired() {
  side.timed_out = true;
  go_on(side);
}

void Http2Stream::signal(Side& side) {
  side.news = true;
  if (side.waiter) link_.wake(*this);
}

void Http2Stream::resume() {
  // One step at a time: each may end the stream and this object with it, which the link then
  // forgets.
  const bool reader = read_.news && read_.waiter;
  const bool writer = write_.news && write_.waiter;
  if (closed_ && !sent_end_ && watcher_ != nullptr) {
    if (reader || writer) link_.wake(*this);
    std::exchange(watcher_, nullptr)->on_client_gone();
    return;
  }
  if (reader && writer) link_.wake(*this);
  if (reader)
    go_on(read_);
  else if (writer)
    go_on(write_);
}

void Http2Stream::watch(ClientWatcher* watcher) {
  watcher_ = watcher;
  if (watcher == nullptr || !closed_) return;
  link_.wake(*this);
  link_.resume_soon();
}

void Http2Stream::on_data(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const std::size_t index = received_ / BufferPool::kSmall;
    const std::size_t offset = received_ % BufferPool::kSmall;
    if (index == buffers_.size()) return;  // more than the window: the session has refused it
    Buffer& buffer = buffers_[index];
    if (buffer.empty()) buffer = link_.worker().buffers().take_small();
    const std::size_t size = std::min(bytes.size(), buffer.size() - offset);
    std::memcpy(buffer.data() + offset, bytes.data(), size);
    received_ += size;
    bytes = bytes.subspan(size);
  }
  signal(read_);
}

void Http2Stream::on_trailers(std::span<const http2::Field> fields) {
  for (const http2::Field& field : fields)
    trailers_.append(field.name).append(": ").append(field.value).append("\r\n");
}

void Http2Stream::on_end() {
  ended_ = true;
  signal(read_);
}

void Http2Stream::on_head(http2::PeerHead head) {
  heads_.push_back(std::move(head));
  signal(read_);
  // Who sends may do so only as long as there is no answer.
  if (!sent_) signal(write_);
}

void Http2Stream::on_sent() {
  sent_ = true;
  sent_end_ = sending_end_;
  signal(write_);
}

void Http2Stream::on_progress() noexcept {
  if (write_.deadline.armed()) write_.deadline.arm(write_idle_);
}

void Http2Stream::on_closed(std::uint32_t error_code, bool refused) {
  if (closed_) return;
  closed_ = true;
  error_code_ = error_code;
  refused_ = refused;
  read_.news = write_.news = true;
  link_.wake(*this);
}

BodyPart Http2Stream::next_body() {
  BodyPart part{.bytes = received_ - taken_};
  std::size_t count = 0;
  for (std::size_t at = taken_; at < received_;) {
    const std::size_t offset = at % BufferPool::kSmall;
    const std::size_t size = std::min(received_ - at, BufferPool::kSmall - offset);
    pieces_[count++] = {
        .iov_base = buffers_[at / BufferPool::kSmall].data() + offset, .iov_len = size
    };
    at += size;
  }
  taken_ = received_;
  part.pieces = {pieces_.data(), count};
  if (ended_) {
    part.status = BodyPart::Status::kEnd;
    part.trailers = trailers_;
  } else if (closed_) {
    part.status = BodyPart::Status::kGone;
  }
  return part;
}

void Http2Stream::release_taken() {
  if (taken_ == 0 || taken_ != received_) return;
  if (!closed_) {
    link_.session().consume(id_, received_);
    link_.flush();
  }
  for (Buffer& buffer : buffers_) buffer.reset();
  received_ = taken_ = 0;
  untouched_ = false;
}

Task<BodyPart> Http2Stream::read_body() {
  release_taken();
  for (;;) {
    const BodyPart part = next_body();
    if (part.bytes != 0 || part.status != BodyPart::Status::kWait) co_return part;
    co_await Wait{read_};
    if (read_.timed_out) co_return BodyPart{.status = BodyPart::Status::kTimeout};
    if (read_.cancelled) co_return BodyPart{.status = BodyPart::Status::kGone};
  }
}

Task<void> Http2Stream::wait_for_end() {
  while (!ended_ && !closed_ && !read_.timed_out && !read_.cancelled) co_await Wait{read_};
}

Task<IoStatus> Http2Stream::next_head() {
  if (head_taken_) heads_.erase(heads_.begin());
  head_taken_ = false;
  for (;;) {
    if (!heads_.empty()) {
      head_taken_ = true;
      co_return IoStatus::kOk;
    }
    if (closed_) co_return IoStatus::kEof;
    co_await Wait{read_};
    if (read_.timed_out) co_return IoStatus::kTimeout;
    if (read_.cancelled) co_return IoStatus::kCancelled;
  }
}

Task<IoStatus> Http2Stream::send(const BodyPart& part, std::chrono::milliseconds idle) {
  start_sending(part, idle);
  return sending(false);
}

Task<IoStatus> Http2Stream::send_until_head(const BodyPart& part, std::chrono::milliseconds idle) {
  start_sending(part, idle);
  return sending(true);
}

Task<IoStatus> Http2Stream::finish_sending() { return sending(false); }

void Http2Stream::start_sending(const BodyPart& part, std::chrono::milliseconds idle) {
  sending_trailers_ = part.end() ? part.trailers : std::string_view{};
  sending_end_ = part.end() && sending_trailers_.empty();
  sent_ = part.bytes == 0 && !sending_end_ && !closed_;
  if (sent_ || closed_) return;
  link_.session().send_data(id_, part.pieces, sending_end_);
  link_.flush();
  write_.timed_out = false;
  write_idle_ = idle;
  write_.deadline.arm(idle);
}

Task<IoStatus> Http2Stream::sending(bool until_head) {
  while (!sent_) {
    if (closed_) co_return IoStatus::kError;
    if (write_.timed_out) co_return IoStatus::kTimeout;
    if (write_.cancelled) co_return IoStatus::kCancelled;
    if (until_head && !heads_.empty()) co_return IoStatus::kWantWrite;
    co_await Wait{write_};
  }
  write_.deadline.disarm();
  if (sending_trailers_.empty()) {
    sent_end_ = sent_end_ || sending_end_;
    co_return IoStatus::kOk;
  }
  if (!send_trailers(std::exchange(sending_trailers_, {}))) co_return IoStatus::kError;
  sent_end_ = true;
  co_return IoStatus::kOk;
}

bool Http2Stream::send_trailers(std::string_view lines) {
  std::array<http2::Field, routing::kMaxHeaderFields> fields;
  std::size_t count = 0;
  while (!lines.empty()) {
    if (count == fields.size()) return false;
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(line.size() + 2, lines.size()));
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    fields[count++] = {.name = line.substr(0, colon), .value = line.substr(colon + 2)};
  }
  link_.session().send_trailers(id_, {fields.data(), count});
  link_.flush();
  return true;
}

void Http2Stream::arm_read(std::chrono::milliseconds after) noexcept {
  read_.timed_out = false;
  read_.deadline.arm(after);
}

void Http2Stream::cancel(Direction direction) noexcept {
  Side& side = direction == Direction::kRead ? read_ : write_;
  side.cancelled = true;
  side.news = true;
  if (!side.waiter) return;
  // Not at once: who cancels is not to find the stream gone when this returns.
  link_.wake(*this);
  link_.resume_soon();
}

}  // namespace cppx::proxy
