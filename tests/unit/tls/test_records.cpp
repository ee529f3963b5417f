#include "tests/unit/tls/test_records.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <utility>

namespace cppx::tls::test {
namespace {

RecordProtection protection(
    const RecordSuite& suite, const TrafficSecret& secret, std::uint64_t sequence,
    RecordProtection::Use use
) {
  auto made = RecordProtection::create(suite, secret, sequence, use);
  if (!made) throw std::runtime_error("no record protection");
  return std::move(*made);
}

void need(bool kept, const char* what) {
  if (!kept) throw std::runtime_error(what);
}

}  // namespace

std::string from_hex(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    result += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return result;
}

std::string long_text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ' ';
  text.resize(size);
  return text;
}

std::string ScriptedSocket::take_sent() { return std::exchange(sent_, {}); }

ssize_t ScriptedSocket::receive(char* into, std::size_t size) noexcept {
  ++receives;
  const std::size_t part = std::min({size, chunk, incoming_.size() - received_});
  if (part != 0) {
    incoming_.copy(into, part, received_);
    received_ += part;
    return static_cast<ssize_t>(part);
  }
  if (end == End::kClosed) return 0;
  errno = end == End::kReset ? ECONNRESET : EAGAIN;
  return -1;
}

ssize_t ScriptedSocket::send(const char* data, std::size_t size, bool more_follows) noexcept {
  const std::size_t part = std::min(size, room);
  if (refuses || part == 0) {
    errno = refuses ? EPIPE : EAGAIN;
    return -1;
  }
  room -= room == kAll ? 0 : part;
  sent_.append(data, part);
  more.push_back(more_follows);
  return static_cast<ssize_t>(part);
}

std::ostream& operator<<(std::ostream& out, const Record& record) {
  out << "type " << static_cast<int>(record.type) << ", " << record.content.size() << " octets:";
  constexpr std::size_t kShown = 16;
  for (const unsigned char one :
       bytes_of(record.content).first(std::min(kShown, record.content.size())))
    out << ' ' << int{one};
  return out;
}

TrafficSecrets secrets_of(const RecordSuite& suite) {
  const std::string client(size_of(suite.hash), 'c');
  const std::string server(size_of(suite.hash), 's');
  return {.client = TrafficSecret(bytes_of(client)), .server = TrafficSecret(bytes_of(server))};
}

Peer::Peer(const RecordSuite& suite, std::uint64_t received)
    : seal_(protection(suite, *secrets_of(suite).client, 0, RecordProtection::Use::kSeal)),
      open_(protection(suite, *secrets_of(suite).server, received, RecordProtection::Use::kOpen)) {}

std::string Peer::seal(ContentType type, std::string_view content, std::size_t zeros) {
  // With zeros after it the content type is no longer what the plaintext ends with.
  std::string inner(content);
  if (zeros != 0) {
    inner += static_cast<char>(type);
    inner.append(zeros - 1, '\0');
    type = ContentType{0};
  }
  const Bytes part = bytes_of(inner);
  std::string record(inner.size() + kSealedOverhead, '\0');
  record.resize(seal_.seal(type, {&part, 1}, reinterpret_cast<unsigned char*>(record.data())));
  need(!record.empty(), "not sealed");
  return record;
}

std::string Peer::alert(int level, int description) {
  const std::array content = {static_cast<char>(level), static_cast<char>(description)};
  return seal(ContentType::kAlert, {content.data(), content.size()});
}

std::string Peer::key_update(bool requested) {
  std::string record = handshake(requested ? kKeyUpdateRequest : kKeyUpdate);
  take_next_keys();
  return record;
}

void Peer::take_next_keys() { need(seal_.update(), "no next keys"); }

std::vector<Record> Peer::open(std::string sent) {
  std::vector<Record> records;
  MutableBytes rest(reinterpret_cast<unsigned char*>(sent.data()), sent.size());
  while (!rest.empty()) {
    need(rest.size() >= kRecordHeaderBytes, "a part of a header");
    const std::size_t payload = static_cast<std::size_t>(rest[3]) << 8U | rest[4];
    need(rest.size() >= kRecordHeaderBytes + payload, "a part of a record");
    RecordProtection::Failure failure{};
    const auto opened = open_.open(
        rest.first<kRecordHeaderBytes>(), rest.subspan(kRecordHeaderBytes, payload), failure
    );
    need(opened.has_value(), "a record that the server did not seal, or not now");
    records.push_back({opened->type, {opened->content.begin(), opened->content.end()}});
    if (opened->type == ContentType::kHandshake && records.back().content == kKeyUpdate)
      need(open_.update(), "no next keys");
    rest = rest.subspan(kRecordHeaderBytes + payload);
  }
  return records;
}

}  // namespace cppx::tls::test
