#include "tests/unit/tls/record_connection.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace cppx::tls::test {

Record alert_record(int level, int description) {
  return {ContentType::kAlert, {static_cast<char>(level), static_cast<char>(description)}};
}
Record data_record(std::string_view content) {
  return {ContentType::kApplicationData, std::string(content)};
}
Record key_update_record() { return {ContentType::kHandshake, std::string(kKeyUpdate)}; }

RecordConnection::RecordConnection(
    std::uint16_t id, std::uint64_t sent, const std::function<std::string(Peer&)>& received,
    std::size_t content_max
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

StreamResult RecordConnection::read(std::string& into) {
  const bool buffered = layer->has_buffered_input();
  const int receives = socket.receives;
  const StreamResult result = layer->read(into);
  // Who waits for the socket instead must not miss anything.
  CHECK((buffered || socket.receives > receives));
  if (result.status == StreamStatus::kOk) CHECK((result.bytes > 0 && result.bytes <= into.size()));
  return result;
}

Read RecordConnection::read_all(std::size_t into_bytes) {
  Read all{"", StreamStatus::kOk};
  std::string into(into_bytes, '\0');
  for (;;) {
    const StreamResult result = read(into);
    all.end = result.status;
    if (result.status != StreamStatus::kOk) return all;
    all.data.append(into, 0, result.bytes);
  }
}

StreamResult RecordConnection::write(const std::vector<std::string_view>& pieces) {
  std::vector<iovec> vectors;
  for (const std::string_view piece : pieces)
    vectors.push_back({.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()});
  return layer->write(vectors);
}

std::vector<Record> RecordConnection::sent() { return peer.open(socket.take_sent()); }

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

}  // namespace cppx::tls::test
