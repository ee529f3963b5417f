#pragma once
// The socket and the client that a RecordLayer under test has to do with.

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "tls/byte_stream.h"
#include "tls/record_protection.h"
#include "tls/traffic_secrets.h"

namespace cppx::tls::test {

/// The suites of RFC 8446 B.4 that cppx offers.
constexpr std::array<std::uint16_t, 3> kSuites = {0x1301, 0x1302, 0x1303};

std::string from_hex(std::string_view text);
/// No part of it looks like another.
std::string long_text(std::size_t size);

/// Gives and takes bytes as it is told to.
class ScriptedSocket final : public ByteStream {
 public:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  enum class End : std::uint8_t { kAgain, kClosed, kReset };

  void deliver(std::string_view bytes) { incoming_ += bytes; }
  [[nodiscard]] const std::string& sent() const { return sent_; }
  std::string take_sent();
  ssize_t receive(char* into, std::size_t size) noexcept override;
  ssize_t send(const char* data, std::size_t size, bool more) noexcept override;

  std::size_t chunk = kAll;  // what one receive gives at most
  End end = End::kAgain;     // after what was delivered
  std::size_t room = kAll;   // what is taken until it would block
  bool refuses = false;      // to send
  int receives = 0;
  std::vector<bool> more;  // of each send that took something

 private:
  std::string incoming_;
  std::size_t received_ = 0;
  std::string sent_;
};

struct Record {
  ContentType type;
  std::string content;
  bool operator==(const Record&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Record& record);

/// Those that client and server agreed on.
TrafficSecrets secrets_of(const RecordSuite& suite);

/// The client's end.
class Peer {
 public:
  /// `received` records have come from the server before.
  explicit Peer(const RecordSuite& suite, std::uint64_t received = 0);

  std::string seal(ContentType type, std::string_view content, std::size_t zeros = 0);
  std::string data(std::string_view content) {
    return seal(ContentType::kApplicationData, content);
  }
  std::string handshake(std::string_view content) { return seal(ContentType::kHandshake, content); }
  std::string alert(int level, int description);
  /// After it the next keys are used.
  std::string key_update(bool requested);
  void take_next_keys();

  /// The records that the server `sent`, of which all are whole; its KeyUpdates are followed.
  std::vector<Record> open(std::string sent);

 private:
  RecordProtection seal_;
  RecordProtection open_;
};

inline constexpr std::string_view kKeyUpdate{"\x18\0\0\1\0", 5};
inline constexpr std::string_view kKeyUpdateRequest{"\x18\0\0\1\1", 5};

}  // namespace cppx::tls::test
