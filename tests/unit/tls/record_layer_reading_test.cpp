#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/record_connection.h"
#include "tests/unit/tls/test_records.h"
#include "tls/record_layer.h"

namespace cppx::tls {
namespace {

using namespace test;
using namespace std::string_literals;

TEST_CASE(
    "RecordLayer: data, however it is cut by the socket, the records and the reader", "[tls]"
) {
  const std::string text = long_text(40'000);
  for (const std::uint16_t suite : kSuites) {
    for (const std::size_t chunk : Sizes{1, 5, 1000, ScriptedSocket::kAll}) {
      for (const std::size_t into : Sizes{1, 7, 16384, 100'000}) {
        CAPTURE(suite, chunk, into);
        RecordConnection connection(suite);
        connection.socket.chunk = chunk;
        for (std::size_t at = 0, size = 1; at < text.size(); at += size, size = 3 * size + 1) {
          size = std::min(size, kContentMax);
          connection.socket.deliver(connection.peer.data(text.substr(at, size)));
          connection.socket.deliver(connection.peer.seal(ContentType::kApplicationData, "", 3));
        }
        CHECK((connection.read_all(into) == Read{text, StreamStatus::kWantRead}));
        CHECK(connection.sent().empty());
      }
    }
  }
}

TEST_CASE("RecordLayer: records that came together are read together", "[tls]") {
  RecordConnection connection;
  for (const std::string text : {"one ", "two ", "three"})
    connection.socket.deliver(connection.peer.data(text));
  std::string into(100, '\0');
  const StreamResult result = connection.read(into);
  CHECK(into.substr(0, result.bytes) == "one two three");
  CHECK(connection.socket.receives == 1);
  CHECK_FALSE(connection.layer->has_buffered_input());
}

TEST_CASE("RecordLayer: what had no room is kept, and is read without the socket", "[tls]") {
  RecordConnection connection;
  connection.socket.deliver(connection.peer.data("abcde"));
  connection.socket.deliver(connection.peer.data("fgh"));
  const std::string last = connection.peer.data("ijk");
  connection.socket.deliver(last.substr(0, last.size() - 1));
  std::string text;
  std::string into(2, '\0');
  while (text.size() < 8) {
    const StreamResult result = connection.read(into);
    REQUIRE(result.status == StreamStatus::kOk);
    text.append(into, 0, result.bytes);
    CHECK(connection.layer->has_buffered_input() == (text.size() < 8));
  }
  CHECK(text == "abcdefgh");
  CHECK(connection.socket.receives == 1);
  CHECK(connection.read(into).status == StreamStatus::kWantRead);
  CHECK_FALSE(connection.layer->has_buffered_input());
  connection.socket.deliver(last.substr(last.size() - 1));
  CHECK((connection.read_all() == Read{"ijk", StreamStatus::kWantRead}));
}

TEST_CASE("RecordLayer: begins with what followed the handshake", "[tls]") {
  std::string rest;
  RecordConnection connection(0x1303, 0, [&rest](Peer& peer) {
    const std::string whole = peer.data("with Finished");
    rest = peer.data("later");
    return whole + rest.substr(0, 4);
  });
  CHECK(connection.layer->has_buffered_input());
  std::string into(100, '\0');
  CHECK(connection.read(into).bytes == 13);
  CHECK(into.starts_with("with Finished"));
  CHECK(connection.socket.receives == 0);
  CHECK_FALSE(connection.layer->has_buffered_input());
  connection.socket.deliver(rest.substr(4));
  CHECK((connection.read_all() == Read{"later", StreamStatus::kWantRead}));
}

TEST_CASE("RecordLayer: not without both secrets", "[tls]") {
  ScriptedSocket socket;
  const RecordSuite& suite = *record_suite(0x1301);
  for (const bool client : {false, true}) {
    TrafficSecrets secrets = secrets_of(suite);
    (client ? secrets.client : secrets.server).reset();
    CHECK(
        RecordLayer::create(
            {.suite = suite, .secrets = secrets, .sent = 0, .received = {}}, socket
        ) == nullptr
    );
  }
}

TEST_CASE("RecordLayer: close_notify is the end, after the data before it", "[tls]") {
  for (const std::string& data : {""s, "bye"s}) {
    for (const int level : {kWarning, kFatal}) {
      CAPTURE(data, level);
      RecordConnection connection;
      if (!data.empty()) connection.socket.deliver(connection.peer.data(data));
      connection.socket.deliver(connection.peer.alert(level, kCloseNotify));
      // RFC 8446 6.1: ignored.
      connection.socket.deliver(connection.peer.data("after the end"));
      connection.socket.deliver("no record");
      CHECK((connection.read_all() == Read{data, StreamStatus::kEof}));
      CHECK(connection.layer->has_buffered_input());
      CHECK((connection.read_all() == Read{"", StreamStatus::kEof}));
      // It does not end our side.
      CHECK(connection.write({"answer"}).bytes == 6);
      CHECK(connection.sent() == std::vector{data_record("answer")});
    }
  }
}

TEST_CASE("RecordLayer: a record longer than agreed on is refused, padding is not", "[tls]") {
  const std::string text = long_text(kShortest);
  ShortRecords connection(kShortest);
  connection.socket.deliver(connection.peer.data(text));
  connection.socket.deliver(connection.peer.seal(ContentType::kApplicationData, text, 100));
  CHECK((connection.read_all() == Read{text + text, StreamStatus::kWantRead}));
  connection.socket.deliver(connection.peer.data(text + "x"));
  CHECK((connection.read_all() == Read{"", StreamStatus::kError}));
  CHECK(connection.sent() == std::vector{alert_record(kFatal, kRecordOverflow)});
  check_broken(connection);
}

}  // namespace
}  // namespace cppx::tls
