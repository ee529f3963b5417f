#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
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
    "RecordLayer: the socket's end is the end between records, an error within one", "[tls]"
) {
  RecordConnection probe;
  const std::size_t size = probe.peer.data("cut").size();
  for (std::size_t part = 0; part < size; ++part) {
    CAPTURE(part);
    RecordConnection connection;
    connection.socket.end = ScriptedSocket::End::kClosed;
    connection.socket.deliver(connection.peer.data("whole"));
    connection.socket.deliver(connection.peer.data("cut").substr(0, part));
    const StreamStatus end = part == 0 ? StreamStatus::kEof : StreamStatus::kError;
    CHECK((connection.read_all() == Read{"whole", end}));
    CHECK((connection.read_all() == Read{"", end}));
  }
  RecordConnection reset;
  reset.socket.end = ScriptedSocket::End::kReset;
  reset.socket.deliver(reset.peer.data("whole"));
  CHECK((reset.read_all() == Read{"whole", StreamStatus::kError}));
  check_broken(reset);
}

/// Records one after the other, each made with the keys that those before it left.
using Script = std::function<std::string(Peer&)>;

Script repeat(int count, const Script& one) {
  return [count, one](Peer& peer) {
    std::string all;
    for (int i = 0; i < count; ++i) all += one(peer);
    return all;
  };
}
Script record(ContentType type, std::string content, std::size_t zeros = 0) {
  return [=](Peer& peer) { return peer.seal(type, content, zeros); };
}
Script handshake(std::string_view content) {
  return record(ContentType::kHandshake, std::string(content));
}
Script alert(std::string content) { return record(ContentType::kAlert, std::move(content)); }
Script raw(std::string bytes) {
  return [=](Peer&) { return bytes; };
}
Script operator+(const Script& first, const Script& second) {
  return [=](Peer& peer) {
    std::string bytes = first(peer);
    return bytes += second(peer);
  };
}

TEST_CASE("RecordLayer: what RFC 8446 forbids is refused with its alert", "[tls]") {
  const std::string update(kKeyUpdate);
  const Script data = record(ContentType::kApplicationData, "x");
  const Script flipped = [](Peer& peer) {
    std::string bytes = peer.data("x");
    bytes.back() ^= 1;
    return bytes;
  };
  const Script old_keys = [](Peer& peer) {
    const std::string late = peer.data("x");
    return peer.handshake(kKeyUpdate) + late;
  };
  struct Case {
    const char* name;
    Script script;
    int alert;
  };
  const std::vector<Case> cases = {
      // 5: a change_cipher_spec after Finished is a record of an unexpected type, as is what is not
      // protected.
      {"change_cipher_spec", raw("\x14\3\3\0\1\1"s), kUnexpectedMessage},
      {"change_cipher_spec, its header", raw("\x14\3\3\0\1"s), kUnexpectedMessage},
      {"alert in the clear", raw("\x15\3\3\0\2\1\0"s), kUnexpectedMessage},
      {"handshake in the clear", raw("\x16\3\3\0\5"s + update), kUnexpectedMessage},
      {"no TLS", raw("GET / HTTP/1.1\r\n\r\n"), kUnexpectedMessage},
      {"change_cipher_spec, protected", record(ContentType::kChangeCipherSpec, "\1"),
       kUnexpectedMessage},
      {"unknown type", record(ContentType{24}, "x"), kUnexpectedMessage},
      {"unknown type, empty", record(ContentType{255}, ""), kUnexpectedMessage},
      // 5.2
      {"a header of 2^14 + 257", raw("\x17\3\3\x41\1"s), kRecordOverflow},
      {"a header of 2^16 - 1", raw("\x17\3\3\xff\xff"s), kRecordOverflow},
      {"content too long", record(ContentType::kApplicationData, std::string(16385, 'x')),
       kRecordOverflow},
      {"padding too long", record(ContentType::kApplicationData, std::string(16384, 'x'), 239),
       kRecordOverflow},
      {"a flipped bit", flipped, kBadRecordMac},
      {"an empty record", raw("\x17\3\3\0\0"s), kBadRecordMac},
      {"less than a tag", raw("\x17\3\3\0\x0f"s + std::string(15, 'x')), kBadRecordMac},
      // 5.4
      {"no content type", record(ContentType{0}, ""), kUnexpectedMessage},
      {"zeros only", record(ContentType{0}, std::string(100, '\0')), kUnexpectedMessage},
      {"empty handshake record", handshake(""), kUnexpectedMessage},
      {"empty handshake record, padded", record(ContentType::kHandshake, "", 9), kUnexpectedMessage
      },
      {"empty alert", alert(""), kUnexpectedMessage},
      {"empty alert, padded", record(ContentType::kAlert, "", 9), kUnexpectedMessage},
      // 4 and 4.6: nothing but a KeyUpdate from a client that was asked for no certificate.
      {"ClientHello", handshake("\1\0\0\1x"s), kUnexpectedMessage},
      {"NewSessionTicket", handshake("\4\0\0\1x"s), kUnexpectedMessage},
      {"Certificate", handshake("\x0b\0\0\1x"s), kUnexpectedMessage},
      {"Finished, its first octet", handshake("\x14"), kUnexpectedMessage},
      // 4.6.3
      {"request_update 2", handshake("\x18\0\0\1\2"s), kIllegalParameter},
      {"request_update 255", handshake("\x18\0\0\1\xff"s), kIllegalParameter},
      {"KeyUpdate of 0", handshake("\x18\0\0\0"s), kDecodeError},
      {"KeyUpdate of 2", handshake("\x18\0\0\2\0\0"s), kDecodeError},
      {"KeyUpdate of 257", handshake("\x18\0\1\1\0"s), kDecodeError},
      {"KeyUpdate of 65537", handshake("\x18\1\0\1\0"s), kDecodeError},
      {"data with the keys before a KeyUpdate", old_keys, kBadRecordMac},
      // 5.1
      {"two KeyUpdates in a record", handshake(update + update), kUnexpectedMessage},
      {"the next message begins in its record", handshake(update + "\x18"), kUnexpectedMessage},
      {"the end of one and another",
       handshake(update.substr(0, 3)) + handshake(update.substr(3) + update), kUnexpectedMessage},
      {"message interrupted by data", handshake("\x18") + data, kUnexpectedMessage},
      {"message interrupted by no data",
       handshake("\x18\0\0\1"s) + record(ContentType::kApplicationData, ""), kUnexpectedMessage},
      {"message interrupted by an alert", handshake("\x18\0"s) + alert("\1\x5a"), kUnexpectedMessage
      },
      {"message interrupted by an empty record", handshake("\x18\0"s) + handshake(""),
       kUnexpectedMessage},
      // 6: an alert record has one message.
      {"half an alert", alert("\1"), kDecodeError},
      {"one and a half", alert("\1\x5a\1"), kDecodeError},
      {"two alerts", alert("\1\x5a\1\0"s), kDecodeError},
      // What RFC 8446 leaves to us.
      {"no data 33 times", repeat(33, record(ContentType::kApplicationData, "")), kUnexpectedMessage
      },
      {"user_canceled 33 times", repeat(33, alert("\1\x5a")), kUnexpectedMessage},
      {"KeyUpdate 33 times", repeat(33, [](Peer& peer) { return peer.key_update(true); }),
       kUnexpectedMessage},
  };
  for (const Case& c : cases) {
    for (const bool data_before : {false, true}) {
      for (const std::size_t chunk : Sizes{1, ScriptedSocket::kAll}) {
        CAPTURE(c.name, data_before, chunk);
        RecordConnection connection;
        connection.socket.chunk = chunk;
        if (data_before) connection.socket.deliver(connection.peer.data("good"));
        connection.socket.deliver(c.script(connection.peer));
        connection.socket.deliver(connection.peer.data("what follows does not matter"));
        const Read read = connection.read_all();
        CHECK(read.data == (data_before ? "good" : ""));
        CHECK(read.end == StreamStatus::kError);
        CHECK(connection.sent() == std::vector{alert_record(kFatal, c.alert)});
        check_broken(connection);
      }
    }
  }
}

TEST_CASE("RecordLayer: 32 records in a row may bring no data", "[tls]") {
  RecordConnection connection;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 16; ++i) {
      connection.socket.deliver(connection.peer.data(""));
      connection.socket.deliver(connection.peer.key_update(false));
    }
    connection.socket.deliver(connection.peer.data("x"));
  }
  CHECK((connection.read_all() == Read{"xxx", StreamStatus::kWantRead}));
}

TEST_CASE("RecordLayer: keys may be renewed as often as data goes out", "[tls]") {
  RecordConnection connection;
  const auto update = [&](int times) {
    for (int i = 0; i < times; ++i) connection.socket.deliver(connection.peer.key_update(false));
    return connection.read_all().end;
  };
  for (int round = 0; round < 10; ++round) {
    CHECK(update(32) == StreamStatus::kWantRead);
    CHECK(connection.write({"data"}).bytes == 4);
  }
  // What a full socket has kept back counts once.
  connection.socket.room = 0;
  CHECK(connection.write({"data"}).status == StreamStatus::kWantWrite);
  CHECK(update(32) == StreamStatus::kWantRead);
  CHECK(connection.write({"data"}).status == StreamStatus::kWantWrite);
  CHECK(update(10) == StreamStatus::kError);

  // Nobody may have read them during a download, but there is a limit to that, too.
  for (const int updates : {1024, 1025}) {
    RecordConnection download;
    for (int i = 0; i < 2000; ++i) CHECK(download.write({"data"}).bytes == 4);
    for (int i = 0; i < updates; ++i) download.socket.deliver(download.peer.key_update(false));
    const bool refused = updates > 1024;
    CHECK(download.read_all().end == (refused ? StreamStatus::kError : StreamStatus::kWantRead));
  }
}

TEST_CASE("RecordLayer: after 32 records without data close_notify is still the end", "[tls]") {
  RecordConnection connection;
  for (int i = 0; i < 32; ++i) connection.socket.deliver(connection.peer.data(""));
  connection.socket.deliver(connection.peer.alert(kWarning, kCloseNotify));
  CHECK((connection.read_all() == Read{"", StreamStatus::kEof}));
  CHECK(connection.sent().empty());
}

TEST_CASE("RecordLayer: an alert of the peer is an error, whatever its level says", "[tls]") {
  for (const int description : {kHandshakeFailure, kBadRecordMac, kUnexpectedMessage, 200, 255}) {
    for (const int level : {kWarning, kFatal, 0}) {
      CAPTURE(description, level);
      RecordConnection connection;
      connection.socket.deliver(connection.peer.data("before"));
      connection.socket.deliver(connection.peer.alert(level, description));
      connection.socket.deliver(connection.peer.data("after"));
      CHECK((connection.read_all() == Read{"before", StreamStatus::kError}));
      check_broken(connection);  // RFC 8446 6.2: nothing is sent any more
    }
  }
}

TEST_CASE("RecordLayer: user_canceled is ignored", "[tls]") {
  RecordConnection connection;
  connection.socket.deliver(connection.peer.data("before "));
  connection.socket.deliver(connection.peer.alert(kWarning, kUserCanceled));
  connection.socket.deliver(connection.peer.data("after"));
  CHECK((connection.read_all() == Read{"before after", StreamStatus::kWantRead}));
  connection.socket.deliver(connection.peer.alert(kWarning, kUserCanceled));
  connection.socket.deliver(connection.peer.alert(kWarning, kCloseNotify));
  CHECK((connection.read_all() == Read{"", StreamStatus::kEof}));
  CHECK(connection.sent().empty());
}

TEST_CASE(
    "RecordLayer: a KeyUpdate brings new keys, and an answer only if it asks for it", "[tls]"
) {
  for (const std::uint16_t suite : kSuites) {
    for (const std::size_t chunk : Sizes{1, ScriptedSocket::kAll}) {
      CAPTURE(suite, chunk);
      RecordConnection connection(suite);
      connection.socket.chunk = chunk;
      const auto update = [&](bool requested) {
        connection.socket.deliver(connection.peer.data("old "));
        connection.socket.deliver(connection.peer.key_update(requested));
        connection.socket.deliver(connection.peer.data("new"));
        CHECK((connection.read_all() == Read{"old new", StreamStatus::kWantRead}));
        CHECK(connection.socket.sent().empty());
      };
      update(false);
      CHECK(connection.write({"one"}).bytes == 3);
      CHECK(connection.sent() == std::vector{data_record("one")});
      update(true);
      update(true);
      update(false);
      CHECK(connection.write({"two"}).bytes == 3);
      CHECK(connection.sent() == std::vector{key_update_record(), data_record("two")});
      CHECK(connection.write({"three"}).bytes == 5);
      CHECK(connection.sent() == std::vector{data_record("three")});
      update(true);
      CHECK(connection.write({"four"}).bytes == 4);
      CHECK(connection.sent() == std::vector{key_update_record(), data_record("four")});
    }
  }
}

TEST_CASE("RecordLayer: a KeyUpdate in parts of which each has a record", "[tls]") {
  for (std::size_t first = 1; first < kKeyUpdateRequest.size(); ++first) {
    for (std::size_t part = 1; part < kKeyUpdateRequest.size(); ++part) {
      CAPTURE(first, part);
      RecordConnection connection;
      connection.socket.deliver(connection.peer.handshake(kKeyUpdateRequest.substr(0, first)));
      CHECK((connection.read_all() == Read{"", StreamStatus::kWantRead}));
      for (std::size_t at = first; at < kKeyUpdateRequest.size(); at += part)
        connection.socket.deliver(connection.peer.handshake(kKeyUpdateRequest.substr(at, part)));
      connection.peer.take_next_keys();
      connection.socket.deliver(connection.peer.data("new"));
      CHECK((connection.read_all() == Read{"new", StreamStatus::kWantRead}));
      CHECK(connection.write({"x"}).bytes == 1);
      CHECK(connection.sent() == std::vector{key_update_record(), data_record("x")});
    }
  }
}

TEST_CASE("RecordLayer: an answer that the socket takes in parts is given once", "[tls]") {
  const std::string text = long_text(50'000);
  RecordConnection connection;
  connection.socket.deliver(connection.peer.key_update(true));
  connection.read_all();
  std::size_t written = 0;
  for (int turn = 0; written < text.size(); ++turn) {
    REQUIRE(turn < 100'000);
    connection.socket.room = 7;
    const StreamResult result = connection.write({std::string_view(text).substr(written)});
    if (result.status == StreamStatus::kOk) written += result.bytes;
  }
  std::vector<Record> records = connection.sent();
  REQUIRE(records.front() == key_update_record());
  records.erase(records.begin());
  CHECK((text_of(records) == text));
}

TEST_CASE("RecordLayer: the server's keys are renewed before they are used up", "[tls]") {
  // RFC 8446 5.5: with AES-GCM 2^24.5 records.
  for (const bool used_up : {false, true}) {
    RecordConnection connection(0x1301, used_up ? 23'726'565 : 1000);
    CHECK(connection.write({"x"}).bytes == 1);
    CHECK(connection.write({"y"}).bytes == 1);
    std::vector<Record> expected = {data_record("x"), data_record("y")};
    if (used_up) expected.insert(expected.begin(), key_update_record());
    CHECK(connection.sent() == expected);
  }
}

}  // namespace
}  // namespace cppx::tls
