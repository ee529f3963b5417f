#include "tls/record_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_records.h"

namespace cppx::tls {
namespace {

using namespace test;
using namespace std::string_literals;

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

Record alert_record(int level, int description) {
  return {ContentType::kAlert, {static_cast<char>(level), static_cast<char>(description)}};
}
Record data_record(std::string_view content) {
  return {ContentType::kApplicationData, std::string(content)};
}
const Record kAnswer = {ContentType::kHandshake, std::string(kKeyUpdate)};

/// What reading came to: all data, and the status that was not kOk.
struct Read {
  std::string data;
  StreamStatus end;
  bool operator==(const Read&) const = default;
};

struct RecordConnection {
  explicit RecordConnection(
      std::uint16_t id = 0x1301, std::uint64_t sent = 0,
      const std::function<std::string(Peer&)>& received = [](Peer&) { return ""s; },
      std::size_t content_max = kContentMax
  )
      : suite(*record_suite(id)), peer(suite, sent) {
    const TrafficSecrets secrets = secrets_of(suite);
    const std::string before = received(peer);
    layer = RecordLayer::create(
        {.suite = suite,
         .secrets = secrets,
         .sent = sent,
         .received = bytes_of(before),
         .content_max = content_max},
        socket
    );
    REQUIRE(layer);
  }

  StreamResult read(std::string& into) {
    const bool buffered = layer->has_buffered_input();
    const int receives = socket.receives;
    const StreamResult result = layer->read(into);
    // Who waits for the socket instead must not miss anything.
    CHECK((buffered || socket.receives > receives));
    if (result.status == StreamStatus::kOk)
      CHECK((result.bytes > 0 && result.bytes <= into.size()));
    return result;
  }
  Read read_all(std::size_t into_bytes = 1U << 16U) {
    Read all{"", StreamStatus::kOk};
    std::string into(into_bytes, '\0');
    for (;;) {
      const StreamResult result = read(into);
      all.end = result.status;
      if (result.status != StreamStatus::kOk) return all;
      all.data.append(into, 0, result.bytes);
    }
  }
  StreamResult write(const std::vector<std::string_view>& pieces) {
    std::vector<iovec> vectors;
    for (const std::string_view piece : pieces)
      vectors.push_back({.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()});
    return layer->write(vectors);
  }
  std::vector<Record> sent() { return peer.open(socket.take_sent()); }

  const RecordSuite& suite;
  ScriptedSocket socket;
  Peer peer;
  std::unique_ptr<RecordLayer> layer;
};

/// Neither side has longer records.
struct ShortRecords : RecordConnection {
  explicit ShortRecords(std::size_t content_max)
      : RecordConnection(0x1301, 0, [](Peer&) { return ""s; }, content_max) {}
};
constexpr std::size_t kShortest = 512;

/// The text that `records` carry, which all are application data.
std::string text_of(const std::vector<Record>& records) {
  std::string text;
  for (const Record& record : records) {
    CHECK(record.type == ContentType::kApplicationData);
    CHECK(record.content.size() <= kContentMax);
    text += record.content;
  }
  return text;
}

void check_broken(RecordConnection& connection) {
  std::string into(100, '\0');
  CHECK(connection.read(into).status == StreamStatus::kError);
  CHECK(connection.layer->has_buffered_input());
  CHECK(connection.write({"more"}).status == StreamStatus::kError);
  connection.layer->close_notify(false);
  CHECK(connection.socket.sent().empty());
}

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
      CHECK(connection.sent() == std::vector{kAnswer, data_record("two")});
      CHECK(connection.write({"three"}).bytes == 5);
      CHECK(connection.sent() == std::vector{data_record("three")});
      update(true);
      CHECK(connection.write({"four"}).bytes == 4);
      CHECK(connection.sent() == std::vector{kAnswer, data_record("four")});
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
      CHECK(connection.sent() == std::vector{kAnswer, data_record("x")});
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
  REQUIRE(records.front() == kAnswer);
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
    if (used_up) expected.insert(expected.begin(), kAnswer);
    CHECK(connection.sent() == expected);
  }
}

TEST_CASE("RecordLayer: pieces make one record, and no record follows it", "[tls]") {
  for (const std::uint16_t suite : kSuites) {
    for (const std::uint64_t tickets : Sizes{0, 2}) {
      RecordConnection connection(suite, tickets);
      CHECK(connection.write({"head ", "body ", "end"}).bytes == 13);
      CHECK(connection.sent() == std::vector{data_record("head body end")});
      CHECK(connection.socket.more == std::vector{false});
    }
  }
}

TEST_CASE("RecordLayer: writes of any length and number of pieces", "[tls]") {
  const std::string text = long_text(200'000);
  for (const std::size_t size : Sizes{1, 16384, 16385, 65536, 65537, 200'000}) {
    for (const std::size_t pieces : Sizes{1, 2, 16, 17, 100}) {
      CAPTURE(size, pieces);
      RecordConnection connection;
      std::size_t written = 0;
      for (int turn = 0; written < size; ++turn) {
        REQUIRE(turn < 100);
        const std::string_view rest = std::string_view(text).substr(written, size - written);
        const std::size_t piece = rest.size() / pieces + 1;
        std::vector<std::string_view> parts;
        for (std::size_t at = 0; at < rest.size(); at += piece)
          parts.push_back(rest.substr(at, piece));
        const StreamResult result = connection.write(parts);
        REQUIRE(result.status == StreamStatus::kOk);
        written += result.bytes;
        // The kernel may wait for what follows, but for nothing else.
        CHECK(connection.socket.more.back() == (written < size));
      }
      CHECK((text_of(connection.sent()) == text.substr(0, size)));
    }
  }
}

TEST_CASE("RecordLayer: several records go to the socket at once", "[tls]") {
  RecordConnection connection;
  const std::string text = long_text(3 * kContentMax);
  CHECK(connection.write({text}).bytes == text.size());
  CHECK(connection.socket.more == std::vector{false});
  CHECK(connection.sent().size() == 3);
}

TEST_CASE("RecordLayer: what the socket takes in parts arrives once and in order", "[tls]") {
  const std::string text = long_text(150'000);
  for (const std::uint16_t suite : kSuites) {
    for (const std::size_t room : Sizes{1000, 16405, 16406, 16407, 65624, 70'000, 200'000}) {
      CAPTURE(suite, room);
      RecordConnection connection(suite);
      std::size_t written = 0;
      for (int turn = 0; written < text.size(); ++turn) {
        REQUIRE(turn < 1000);
        const std::string_view rest = std::string_view(text).substr(written);
        // Pieces as a caller would have them.
        const std::vector<std::string_view> pieces = {
            rest.substr(0, 10), rest.substr(std::min<std::size_t>(10, rest.size()))
        };
        connection.socket.room = turn % 3 == 0 ? 0 : room;
        const std::size_t before = connection.socket.sent().size();
        const StreamResult result = connection.write(pieces);
        // As much as there is room for, never less with kWantWrite.
        if (result.status == StreamStatus::kWantWrite) {
          CHECK(connection.socket.room == 0);
          CHECK(connection.socket.sent().size() == before + (turn % 3 == 0 ? 0 : room));
          continue;
        }
        REQUIRE(result.status == StreamStatus::kOk);
        REQUIRE(result.bytes > 0);
        written += result.bytes;
      }
      CHECK((text_of(connection.sent()) == text));
    }
  }
}

TEST_CASE("RecordLayer: for a slow reader one record is sealed at a time", "[tls]") {
  const std::string text = long_text(200'000);
  RecordConnection connection;
  connection.socket.room = 100;
  CHECK(connection.write({text}).status == StreamStatus::kWantWrite);
  connection.socket.room = ScriptedSocket::kAll;
  std::size_t written = connection.write({text}).bytes;
  CHECK(connection.sent().size() > 1);
  const auto write_rest = [&] {
    return connection.write({std::string_view(text).substr(written)});
  };
  for (int turn = 0; turn < 3; ++turn) {
    connection.socket.room = 100;
    CHECK(write_rest().status == StreamStatus::kWantWrite);
    connection.socket.room = ScriptedSocket::kAll;
    const StreamResult result = write_rest();
    CHECK(result.status == StreamStatus::kOk);
    CHECK(result.bytes == kContentMax);
    CHECK(connection.sent().size() == 1);
    written += result.bytes;
  }
  // It has kept up for a while.
  int alone = 0;
  while (write_rest().bytes == kContentMax && alone < 1000) ++alone;
  CHECK(alone > 10);
  CHECK(alone < 100);
}

TEST_CASE("RecordLayer: records are no longer than agreed on, however many it takes", "[tls]") {
  const std::string text = long_text(200'000);
  for (const std::size_t content_max : Sizes{kShortest, 1024, 2048, 4096}) {
    for (const std::size_t room : Sizes{1, 533, 10'000, ScriptedSocket::kAll}) {
      CAPTURE(content_max, room);
      ShortRecords connection(content_max);
      connection.socket.deliver(connection.peer.key_update(true));
      connection.read_all();
      std::size_t written = 0;
      for (int turn = 0; written < text.size(); ++turn) {
        REQUIRE(turn < 300'000);
        connection.socket.room = room;
        const std::string_view rest = std::string_view(text).substr(written);
        const StreamResult result = connection.write({rest.substr(0, 10), rest.substr(10)});
        if (result.status == StreamStatus::kOk) written += result.bytes;
        // As many bytes go to the socket at once as with long records.
        if (room == ScriptedSocket::kAll && turn == 0) CHECK(result.bytes > 3 * kContentMax);
      }
      std::vector<Record> records = connection.sent();
      REQUIRE(records.front() == kAnswer);
      records.erase(records.begin());
      for (const Record& record : records) CHECK(record.content.size() <= content_max);
      CHECK((text_of(records) == text));
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

TEST_CASE("RecordLayer: a socket that fails to send breaks the connection", "[tls]") {
  for (const bool congested : {false, true}) {
    RecordConnection connection;
    if (congested) {
      connection.socket.room = 3;
      CHECK(connection.write({"text"}).status == StreamStatus::kWantWrite);
    }
    connection.socket.take_sent();
    connection.socket.refuses = true;
    CHECK(connection.write({"text"}).status == StreamStatus::kError);
    connection.socket.refuses = false;
    connection.socket.room = ScriptedSocket::kAll;
    check_broken(connection);
  }
}

TEST_CASE("RecordLayer: nothing is written after close_notify, but read", "[tls]") {
  for (const bool more : {false, true}) {
    RecordConnection connection;
    CHECK(connection.write({"last"}).bytes == 4);
    connection.layer->close_notify(more);
    CHECK(
        connection.sent() == std::vector{data_record("last"), alert_record(kWarning, kCloseNotify)}
    );
    CHECK(connection.socket.more == std::vector{false, more});
    CHECK(connection.write({"too late"}).status == StreamStatus::kError);
    connection.layer->close_notify(more);
    connection.socket.deliver(connection.peer.data("still"));
    CHECK((connection.read_all() == Read{"still", StreamStatus::kWantRead}));
    connection.socket.deliver("no record");
    CHECK(connection.read_all().end == StreamStatus::kError);
    // RFC 8446 6.1: close_notify was the last.
    CHECK(connection.socket.sent().empty());
  }
}

TEST_CASE("RecordLayer: no alert is put into the middle of a record", "[tls]") {
  for (const bool refused : {false, true}) {
    RecordConnection connection;
    connection.socket.room = 20;
    CHECK(connection.write({"text"}).status == StreamStatus::kWantWrite);
    connection.socket.room = ScriptedSocket::kAll;
    connection.socket.deliver("no record");
    if (refused)
      CHECK(connection.read_all().end == StreamStatus::kError);
    else
      connection.layer->close_notify(false);
    CHECK(connection.socket.sent().size() == 20);
  }
}

}  // namespace
}  // namespace cppx::tls
