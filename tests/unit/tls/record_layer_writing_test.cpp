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
      REQUIRE(records.front() == key_update_record());
      records.erase(records.begin());
      for (const Record& record : records) CHECK(record.content.size() <= content_max);
      CHECK((text_of(records) == text));
    }
  }
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
