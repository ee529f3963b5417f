#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tls/byte_stream.h"
#include "tls/kept_bytes.h"
#include "tls/record_protection.h"
#include "tls/stream_result.h"

namespace cppx::tls {

/// The server's side of a TLS 1.3 connection once its handshake is over: application data, alerts,
/// and new keys (RFC 8446 4.6.3, 5, 6). Takes the place of OpenSSL's SSL, which stays as large as
/// for the handshake. Holds bytes only while they cannot go on. Belongs to one thread; allocates
/// only to keep what the socket did not take, what `into` had no room for, and parts of records.
class RecordLayer {
 public:
  struct Start {
    const RecordSuite& suite;
    const TrafficSecrets& secrets;
    std::uint64_t sent;  ///< Records that were sealed with the server's secret before: tickets.
    Bytes received;      ///< What followed the handshake; at most kRecordMax.
    /// The longest content of a record, of either side.
    std::size_t content_max = kRecordContentMax;
  };
  /// `below` must outlive it. Null when out of memory, or when a secret is not known.
  static std::unique_ptr<RecordLayer> create(const Start& start, ByteStream& below) noexcept;

  /// Reads until something came, or `below` has no more.
  StreamResult read(std::span<char> into) noexcept;
  /// Writes some of `pieces`, in order. After kWantWrite the same pieces must be given again: their
  /// first bytes are on their way.
  StreamResult write(std::span<const iovec> pieces) noexcept;
  /// Ends our side; `more` as with ByteStream::send(). Nothing may be written afterwards.
  void close_notify(bool more) noexcept;
  /// Whether something was received that read() has not looked at, or it has an end to tell.
  [[nodiscard]] bool has_buffered_input() const noexcept;

 private:
  enum class Alert : std::uint8_t;
  enum class State : std::uint8_t { kOpen, kEnded, kBroken };

  /// Records in a row that bring no data, as many as OpenSSL bears with; and for whoever only
  /// downloads, one more for each record that it gets: its new keys may be read at the end only.
  static constexpr std::uint16_t kIdleRecords = 32;
  static constexpr std::uint16_t kIdleRecordsMax = 1024;

  RecordLayer(
      RecordProtection open, RecordProtection seal, std::size_t content_max, ByteStream& below
  ) noexcept;
  struct Reading;
  /// Opens the records that are whole, as long as their content has room.
  void open_records(Reading& reading) noexcept;
  void on_record(const RecordProtection::Opened& record, Reading& reading) noexcept;
  void on_data(Bytes content, Reading& reading) noexcept;
  void on_handshake(Bytes content) noexcept;
  void on_key_update(unsigned char request) noexcept;
  void on_alert(Bytes content) noexcept;
  static Alert alert_for(RecordProtection::Failure failure) noexcept;
  /// Tells the peer why its bytes were refused; nothing is read or written any more.
  void refuse(Alert alert) noexcept;
  void send_alert(std::uint8_t level, Alert alert, bool more) noexcept;
  /// Writes a KeyUpdate to `out` and takes new keys, if the peer has asked for it or the old ones
  /// are used up. Its size; nothing when OpenSSL failed.
  std::optional<std::size_t> seal_key_update(unsigned char* out) noexcept;
  StreamResult flush() noexcept;

  ByteStream& below_;
  RecordProtection open_;
  RecordProtection seal_;
  KeptBytes input_;            // received, not opened
  KeptBytes content_;          // opened, not read
  KeptBytes output_;           // sealed, not sent
  std::uint32_t sealed_ = 0;   // of whoever writes: what output_ ends
  std::uint16_t content_max_;  // of a record, either side's
  std::uint16_t idle_records_left_ = kIdleRecords;
  std::array<unsigned char, 5> message_{};  // of a handshake message: what came of it
  std::uint8_t message_bytes_ = 0;
  std::uint8_t cautious_ = 0;  // writes of one record each to come: the socket was full
  State state_ = State::kOpen;
  bool answer_key_update_ = false;
  bool closed_ = false;  // our side
};

}  // namespace cppx::tls
