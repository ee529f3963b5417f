#pragma once
// A RecordLayer under test, with its socket and the client at its other end.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/tls/test_records.h"
#include "tls/record_layer.h"
#include "tls/record_protection.h"
#include "tls/stream_result.h"

namespace cppx::tls::test {

// RFC 8446 6.
constexpr int kCloseNotify = 0;
constexpr int kUnexpectedMessage = 10;
constexpr int kBadRecordMac = 20;
constexpr int kRecordOverflow = 22;
constexpr int kHandshakeFailure = 40;
constexpr int kIllegalParameter = 47;
constexpr int kDecodeError = 50;
constexpr int kUserCanceled = 90;

constexpr int kWarning = 1;
constexpr int kFatal = 2;

constexpr std::size_t kContentMax = 16384;

using Sizes = std::vector<std::size_t>;

Record alert_record(int level, int description);
Record data_record(std::string_view content);
/// The answer to a request for new keys.
Record key_update_record();

/// What reading came to: all data, and the status that was not kOk.
struct Read {
  std::string data;
  StreamStatus end;
  bool operator==(const Read&) const = default;
};

struct RecordConnection {
  /// `sent` records went out before, and `received` has come.
  explicit RecordConnection(
      std::uint16_t id = 0x1301, std::uint64_t sent = 0,
      const std::function<std::string(Peer&)>& received = [](Peer&) { return std::string(); },
      std::size_t content_max = kContentMax
  );

  StreamResult read(std::string& into);
  Read read_all(std::size_t into_bytes = 1U << 16U);
  StreamResult write(const std::vector<std::string_view>& pieces);
  std::vector<Record> sent();

  const RecordSuite& suite;
  ScriptedSocket socket;
  Peer peer;
  std::unique_ptr<RecordLayer> layer;
};

/// Neither side has longer records.
struct ShortRecords : RecordConnection {
  explicit ShortRecords(std::size_t content_max)
      : RecordConnection(0x1301, 0, [](Peer&) { return std::string(); }, content_max) {}
};
constexpr std::size_t kShortest = 512;

/// The text that `records` carry, which all are application data.
std::string text_of(const std::vector<Record>& records);
/// Neither reads nor writes any more, and sends nothing.
void check_broken(RecordConnection& connection);

}  // namespace cppx::tls::test
