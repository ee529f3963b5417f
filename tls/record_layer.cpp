#include "tls/record_layer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "tls/byte_stream.h"
#include "tls/key_derivation.h"
#include "tls/record_protection.h"
#include "tls/stream_result.h"

namespace cppx::tls {

/// RFC 8446 6.
enum class RecordLayer::Alert : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kInternalError = 80,
  kUserCanceled = 90,
};

namespace {

constexpr std::uint8_t kWarning = 1;
constexpr std::uint8_t kFatal = 2;
constexpr unsigned char kKeyUpdate = 24;
constexpr std::size_t kHandshakeHeaderBytes = 4;
constexpr std::size_t kKeyUpdateBytes = kHandshakeHeaderBytes + 1;
constexpr std::size_t kAlertBytes = 2;

/// With AES-GCM, 2^24.5 full records may be sealed with one key (RFC 8446 5.5).
constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1} << 24U;
/// A write to the socket is mostly the kernel's work for each call.
constexpr std::size_t kRecordsAtOnce = 4;
constexpr std::size_t kPartsMax = 16;
/// A socket that was full has room for some records as soon as it is said to have room.
constexpr std::uint8_t kCautiousWrites = 32;

/// How long the first record is of which `received` is what came by now, as far as that is known:
/// its header at first. One with a header that is refused ends there.
std::size_t record_size(Bytes received) noexcept {
  if (received.size() < kRecordHeaderBytes) return kRecordHeaderBytes;
  const std::size_t payload = static_cast<std::size_t>(received[3]) << 8U | received[4];
  const bool refused = received[0] != static_cast<unsigned char>(ContentType::kApplicationData) ||
                       payload > kProtectedMax;
  return refused ? kRecordHeaderBytes : kRecordHeaderBytes + payload;
}

/// Goes through what is to be written, a record's content at a time.
class Contents {
 public:
  Contents(std::span<const iovec> pieces, std::size_t content_max) noexcept
      : pieces_(pieces), content_max_(content_max) {}

  /// The parts of the next record; none at the end.
  std::span<const Bytes> next() noexcept {
    std::size_t room = content_max_;
    std::size_t count = 0;
    while (room != 0 && count < parts_.size() && !pieces_.empty()) {
      const iovec& piece = pieces_.front();
      const std::size_t size = std::min(room, piece.iov_len - offset_);
      if (size != 0)
        parts_[count++] = {static_cast<const unsigned char*>(piece.iov_base) + offset_, size};
      room -= size;
      offset_ += size;
      taken_ += size;
      if (offset_ != piece.iov_len) break;
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
    return std::span(parts_).first(count);
  }
  [[nodiscard]] bool at_end() const noexcept { return pieces_.empty(); }
  /// How many bytes all records so far have.
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

 private:
  std::span<const iovec> pieces_;
  std::size_t content_max_;
  std::size_t offset_ = 0;
  std::size_t taken_ = 0;
  std::array<Bytes, kPartsMax> parts_;
};

}  // namespace

struct RecordLayer::Reading {
  std::span<char> into;
  std::size_t got = 0;
  MutableBytes received;  // not opened yet
};

RecordLayer::RecordLayer(
    RecordProtection open, RecordProtection seal, std::size_t content_max, ByteStream& below
) noexcept
    : below_(below),
      open_(std::move(open)),
      seal_(std::move(seal)),
      content_max_(static_cast<std::uint16_t>(content_max)) {}

std::unique_ptr<RecordLayer> RecordLayer::create(const Start& start, ByteStream& below) noexcept {
  if (!start.secrets.client || !start.secrets.server) return nullptr;
  auto open =
      RecordProtection::create(start.suite, *start.secrets.client, 0, RecordProtection::Use::kOpen);
  auto seal = RecordProtection::create(
      start.suite, *start.secrets.server, start.sent, RecordProtection::Use::kSeal
  );
  if (!open || !seal) return nullptr;
  std::unique_ptr<RecordLayer> made;
  made.reset(new (std::nothrow)
                 RecordLayer(std::move(*open), std::move(*seal), start.content_max, below));
  if (made && !made->input_.assign(start.received)) return nullptr;
  return made;
}

bool RecordLayer::has_buffered_input() const noexcept {
  return !content_.empty() || state_ != State::kOpen ||
         input_.size() >= record_size(input_.bytes());
}

StreamResult RecordLayer::read(std::span<char> into) noexcept {
  if (!content_.empty())
    return {
        StreamStatus::kOk, content_.take(reinterpret_cast<unsigned char*>(into.data()), into.size())
    };
  std::array<unsigned char, kRecordMax> memory;  // not initialised: filled as far as it is used
  Reading reading{
      .into = into, .received = {memory.data(), input_.take(memory.data(), memory.size())}
  };
  for (;;) {
    open_records(reading);
    if (reading.got != 0) {
      if (!input_.assign(reading.received)) state_ = State::kBroken;
      return {StreamStatus::kOk, reading.got};
    }
    if (state_ == State::kEnded) return {StreamStatus::kEof};
    if (state_ == State::kBroken) return {StreamStatus::kError};

    std::memmove(memory.data(), reading.received.data(), reading.received.size());
    const std::size_t kept = reading.received.size();
    const ssize_t came =
        below_.receive(reinterpret_cast<char*>(memory.data()) + kept, memory.size() - kept);
    if (came > 0) {
      reading.received = MutableBytes(memory).first(kept + static_cast<std::size_t>(came));
      continue;
    }
    const bool later = came < 0 && would_block();
    if (later && input_.assign({memory.data(), kept})) return {StreamStatus::kWantRead};
    // HTTP says itself where a message ends: few clients send close_notify.
    state_ = came == 0 && kept == 0 ? State::kEnded : State::kBroken;
  }
}

void RecordLayer::open_records(Reading& reading) noexcept {
  while (state_ == State::kOpen && content_.empty() && reading.got < reading.into.size()) {
    const std::size_t size = record_size(reading.received);
    if (reading.received.size() < size) return;
    const MutableBytes record = reading.received.first(size);
    reading.received = reading.received.subspan(size);
    if (record[0] != static_cast<unsigned char>(ContentType::kApplicationData))
      return refuse(Alert::kUnexpectedMessage);
    const auto header = record.first<kRecordHeaderBytes>();
    if (size == kRecordHeaderBytes && (header[3] != 0 || header[4] != 0))
      return refuse(Alert::kRecordOverflow);
    RecordProtection::Failure failure{};
    const auto opened = open_.open(header, record.subspan(kRecordHeaderBytes), failure);
    if (!opened) return refuse(alert_for(failure));
    if (opened->content.size() > content_max_) return refuse(Alert::kRecordOverflow);
    on_record(*opened, reading);
  }
}

RecordLayer::Alert RecordLayer::alert_for(RecordProtection::Failure failure) noexcept {
  switch (failure) {
    case RecordProtection::Failure::kRecordOverflow:
      return Alert::kRecordOverflow;
    case RecordProtection::Failure::kNoContentType:
      return Alert::kUnexpectedMessage;
    case RecordProtection::Failure::kBadRecordMac:
      break;
  }
  return Alert::kBadRecordMac;
}

void RecordLayer::on_record(const RecordProtection::Opened& record, Reading& reading) noexcept {
  // A handshake message goes on in the next record or is at its end (RFC 8446 5.1).
  if (message_bytes_ != 0 && record.type != ContentType::kHandshake)
    return refuse(Alert::kUnexpectedMessage);
  switch (record.type) {
    case ContentType::kApplicationData:
      on_data(record.content, reading);
      break;
    case ContentType::kHandshake:
      on_handshake(record.content);
      break;
    case ContentType::kAlert:
      on_alert(record.content);
      break;
    default:
      return refuse(Alert::kUnexpectedMessage);
  }
  if (record.type == ContentType::kApplicationData && !record.content.empty())
    idle_records_left_ = std::max(idle_records_left_, kIdleRecords);
  else if (idle_records_left_ != 0)
    --idle_records_left_;
  else if (state_ == State::kOpen)
    refuse(Alert::kUnexpectedMessage);
}

void RecordLayer::on_data(Bytes content, Reading& reading) noexcept {
  const std::size_t fits = std::min(content.size(), reading.into.size() - reading.got);
  if (fits != 0) std::memcpy(reading.into.data() + reading.got, content.data(), fits);
  reading.got += fits;
  if (!content_.assign(content.subspan(fits))) state_ = State::kBroken;
}

// Of all messages after the handshake a client that was asked for no certificate may send but one.
void RecordLayer::on_handshake(Bytes content) noexcept {
  if (content.empty()) return refuse(Alert::kUnexpectedMessage);
  for (; !content.empty(); content = content.subspan(1)) {
    message_[message_bytes_++] = content.front();
    if (message_[0] != kKeyUpdate) return refuse(Alert::kUnexpectedMessage);
    if (message_bytes_ == kHandshakeHeaderBytes &&
        (message_[1] != 0 || message_[2] != 0 || message_[3] != 1))
      return refuse(Alert::kDecodeError);
    if (message_bytes_ < kKeyUpdateBytes) continue;
    message_bytes_ = 0;
    // New keys begin with a record.
    if (content.size() != 1) return refuse(Alert::kUnexpectedMessage);
    return on_key_update(content.front());
  }
}

void RecordLayer::on_key_update(unsigned char request) noexcept {
  if (request > 1) return refuse(Alert::kIllegalParameter);
  if (!open_.update()) return refuse(Alert::kInternalError);
  // Answered once, before the next data, however often it is asked for (RFC 8446 4.6.3).
  answer_key_update_ = answer_key_update_ || request == 1;
}

void RecordLayer::on_alert(Bytes content) noexcept {
  if (content.empty()) return refuse(Alert::kUnexpectedMessage);
  if (content.size() != kAlertBytes) return refuse(Alert::kDecodeError);
  // The level says nothing (RFC 8446 6).
  const auto alert = static_cast<Alert>(content[1]);
  if (alert == Alert::kCloseNotify)
    state_ = State::kEnded;
  else if (alert != Alert::kUserCanceled)
    state_ = State::kBroken;
}

void RecordLayer::refuse(Alert alert) noexcept {
  forget_errors();
  send_alert(kFatal, alert, false);
  state_ = State::kBroken;
}

void RecordLayer::send_alert(std::uint8_t level, Alert alert, bool more) noexcept {
  const bool was_closed = std::exchange(closed_, true);
  // After a part of a record it would be taken for the rest of it.
  if (was_closed || state_ == State::kBroken || !output_.empty()) return;
  std::array<unsigned char, kSealedOverhead + kAlertBytes> record;
  const std::array<unsigned char, kAlertBytes> content = {level, static_cast<unsigned char>(alert)};
  const Bytes part = content;
  const std::size_t size = seal_.seal(ContentType::kAlert, {&part, 1}, record.data());
  if (size != 0) below_.send(reinterpret_cast<const char*>(record.data()), size, more);
}

void RecordLayer::close_notify(bool more) noexcept {
  send_alert(kWarning, Alert::kCloseNotify, more);
}

std::optional<std::size_t> RecordLayer::seal_key_update(unsigned char* out) noexcept {
  if (!answer_key_update_ && seal_.sequence() < kRecordsPerKey) return 0;
  answer_key_update_ = false;
  constexpr std::array<unsigned char, kKeyUpdateBytes> kNotRequested = {kKeyUpdate, 0, 0, 1, 0};
  const Bytes part = kNotRequested;
  const std::size_t size = seal_.seal(ContentType::kHandshake, {&part, 1}, out);
  if (size == 0 || !seal_.update()) return std::nullopt;
  return size;
}

StreamResult RecordLayer::write(std::span<const iovec> pieces) noexcept {
  if (closed_ || state_ == State::kBroken) return {StreamStatus::kError};
  if (!output_.empty()) return flush();

  constexpr std::size_t kRoom = kRecordContentMax + kSealedOverhead;
  // Not initialised: filled as far as it is used.
  std::array<unsigned char, kRecordsAtOnce * kRoom + kSealedOverhead + kKeyUpdateBytes> memory;
  std::optional<std::size_t> size = seal_key_update(memory.data());
  Contents contents(pieces, content_max_);
  // Whoever reads slowly has no more kept for it than one full record, but for the first time.
  const std::size_t room = (cautious_ == 0 ? kRecordsAtOnce : 1) * kRoom + size.value_or(0);
  while (size && *size + content_max_ + kSealedOverhead <= room && !contents.at_end()) {
    const auto parts = contents.next();
    if (parts.empty()) break;
    const std::size_t sealed =
        seal_.seal(ContentType::kApplicationData, parts, memory.data() + *size);
    size = sealed == 0 ? std::nullopt : std::optional(*size + sealed);
    idle_records_left_ = std::max(idle_records_left_, kIdleRecords);
    if (idle_records_left_ < kIdleRecordsMax) ++idle_records_left_;
  }
  if (!size) {
    forget_errors();
    state_ = State::kBroken;
    return {StreamStatus::kError};
  }
  const ssize_t sent =
      below_.send(reinterpret_cast<const char*>(memory.data()), *size, !contents.at_end());
  if (sent == static_cast<ssize_t>(*size)) {
    if (cautious_ != 0) --cautious_;
    return {StreamStatus::kOk, contents.taken()};
  }
  cautious_ = kCautiousWrites;
  sealed_ = static_cast<std::uint32_t>(contents.taken());
  const std::size_t gone = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  if ((sent < 0 && !would_block()) || !output_.assign(Bytes(memory).subspan(gone, *size - gone))) {
    state_ = State::kBroken;
    return {StreamStatus::kError};
  }
  return {StreamStatus::kWantWrite};
}

StreamResult RecordLayer::flush() noexcept {
  const Bytes rest = output_.bytes();
  const ssize_t sent = below_.send(reinterpret_cast<const char*>(rest.data()), rest.size(), false);
  if (sent < 0 && !would_block()) {
    state_ = State::kBroken;
    return {StreamStatus::kError};
  }
  if (sent > 0) output_.drop(static_cast<std::size_t>(sent));
  if (!output_.empty()) return {StreamStatus::kWantWrite};
  return {StreamStatus::kOk, std::exchange(sealed_, 0)};
}

}  // namespace cppx::tls
