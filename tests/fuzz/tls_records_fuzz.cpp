// A client that has the keys: the input tells it which records to seal, which to spoil, and where
// the socket cuts them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/require.h"
#include "tests/unit/tls/test_records.h"
#include "tls/record_layer.h"

namespace {

using namespace cppx::tls;
using namespace cppx::tls::test;
using cppx::test::require;

class Input {
 public:
  explicit Input(std::string_view rest) : rest_(rest) {}
  bool at_end() const { return rest_.empty(); }
  std::size_t octet() {
    const std::string one = text(1);
    return one.empty() ? 0 : static_cast<unsigned char>(one.front());
  }
  std::string text(std::size_t size) {
    const std::string taken(rest_.substr(0, size));
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

/// What a server makes of the client's records (RFC 8446 4.6.3, 5, 6).
struct Model {
  std::string data;
  StreamStatus end = StreamStatus::kOk;  // while there is none
  bool answers_key_update = false;

  void on_plaintext(std::string plaintext, Peer& peer) {
    if (end != StreamStatus::kOk) return;
    const bool fits = plaintext.size() <= kRecordContentMax + 1;
    plaintext.resize(plaintext.find_last_not_of('\0') + 1);
    const bool refused = !fits || plaintext.empty() || !takes(plaintext, peer);
    if (refused) end = StreamStatus::kError;
  }

 private:
  bool takes(const std::string& plaintext, Peer& peer) {
    const auto type = static_cast<ContentType>(plaintext.back());
    const std::string content = plaintext.substr(0, plaintext.size() - 1);
    const bool has_data = type == ContentType::kApplicationData && !content.empty();
    idle_ = has_data ? 0 : idle_ + 1;
    // One too many may still end the connection.
    return takes_content(type, content, peer) && (idle_ <= 32 || end == StreamStatus::kEof);
  }
  bool takes_content(ContentType type, const std::string& content, Peer& peer) {
    if (!message_.empty() && type != ContentType::kHandshake) return false;
    if (type == ContentType::kApplicationData) {
      data += content;
      return true;
    }
    if (type == ContentType::kHandshake) return !content.empty() && takes_message(content, peer);
    if (type != ContentType::kAlert || content.size() != 2) return false;
    if (content[1] == 0) end = StreamStatus::kEof;
    return content[1] == 0 || content[1] == 90;
  }
  bool takes_message(const std::string& content, Peer& peer) {
    message_ += content;
    const bool requested = message_ == kKeyUpdateRequest;
    if (requested || message_ == kKeyUpdate) {
      answers_key_update = answers_key_update || requested;
      message_.clear();
      peer.take_next_keys();
      return true;
    }
    // A wrong length is known when all of it is.
    if (message_.size() < 4) return message_.front() == kKeyUpdate.front();
    return message_ == kKeyUpdate.substr(0, 4);
  }

  std::string message_;  // a KeyUpdate, as far as it came
  int idle_ = 0;
};

/// All that the client sends.
std::string sent_by(Peer& peer, Input& input, Model& model) {
  std::string all;
  const auto seal = [&](std::string content, ContentType type, std::size_t zeros) {
    const std::string record = peer.seal(type, content, zeros);
    content += static_cast<char>(type);
    model.on_plaintext(content.append(zeros, '\0'), peer);
    return record;
  };
  const auto spoiled = [&](const std::string& bytes) {
    if (model.end == StreamStatus::kOk && !bytes.empty()) model.end = StreamStatus::kError;
    return bytes;
  };
  constexpr int kRecordsMax = 100;
  for (int i = 0; i < kRecordsMax && !input.at_end(); ++i) {
    const std::size_t octet = input.octet();
    const std::size_t zeros = octet / 8;
    switch (octet % 8) {
      case 0:
        all += seal(input.text(input.octet()), ContentType::kApplicationData, zeros);
        break;
      case 1:  // around the longest record
        all += seal(std::string(16'350 + input.octet(), 'x'), ContentType::kApplicationData, zeros);
        break;
      case 2:
        all += seal(input.text(input.octet()), ContentType::kHandshake, zeros);
        break;
      case 3:
        all += seal(input.text(2), ContentType::kAlert, zeros);
        break;
      case 4:
        all += seal(
            std::string(zeros % 2 == 0 ? kKeyUpdate : kKeyUpdateRequest), ContentType::kHandshake,
            zeros / 2
        );
        break;
      case 5: {
        const auto type = static_cast<ContentType>(input.octet());
        all += seal(input.text(input.octet()), type, zeros);
        break;
      }
      case 6:
        all += spoiled(input.text(input.octet()));
        break;
      default: {
        std::string record = peer.data("spoiled");
        const std::size_t at = input.octet() % record.size();
        record[at] = static_cast<char>(record[at] ^ (1 << (zeros % 8)));
        all += spoiled(record);
      }
    }
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  Input input({reinterpret_cast<const char*>(octets), size});
  const RecordSuite& suite = *record_suite(kSuites[input.octet() % kSuites.size()]);
  const std::size_t least_cut = 1 + input.octet() * 67;
  std::string into(1 + input.octet() * 67, '\0');
  Peer peer(suite);
  Model model;
  const std::string bytes = sent_by(peer, input, model);
  // Long records octet by octet would take all the time.
  const std::size_t cut = std::max(least_cut, bytes.size() / 256);

  ScriptedSocket socket;
  const TrafficSecrets secrets = secrets_of(suite);
  const auto layer =
      RecordLayer::create({.suite = suite, .secrets = secrets, .sent = 0, .received = {}}, socket);
  require(layer != nullptr, "a record layer");
  std::string data;
  const auto read = [&] {
    for (;;) {
      const StreamResult result = layer->read(into);
      if (result.status != StreamStatus::kOk) return result.status;
      require(result.bytes > 0 && result.bytes <= into.size(), "some bytes, and room for them");
      data.append(into, 0, result.bytes);
      require(data.size() <= bytes.size(), "no more data than was sent");
    }
  };
  StreamStatus end = StreamStatus::kWantRead;
  for (std::size_t at = 0; at < bytes.size() && end == StreamStatus::kWantRead; at += cut) {
    socket.deliver(std::string_view(bytes).substr(at, cut));
    end = read();
    require(
        layer->has_buffered_input() == (end != StreamStatus::kWantRead), "nothing is left to read"
    );
  }
  socket.end = ScriptedSocket::End::kClosed;
  end = read();
  require(data == model.data, "the data before what was refused");
  require(
      end == (model.end == StreamStatus::kOk ? StreamStatus::kEof : model.end), "the right end"
  );
  require(read() == end && data == model.data, "the end stays");

  const std::vector<Record> told = peer.open(socket.take_sent());
  require(told.size() <= 1, "one alert at most");
  for (const Record& record : told)
    require(
        end == StreamStatus::kError && record.type == ContentType::kAlert &&
            record.content.size() == 2 && record.content.front() == 2,
        "a fatal alert"
    );
  std::string answer = "answer";
  const std::array<iovec, 1> piece = {{{.iov_base = answer.data(), .iov_len = answer.size()}}};
  const StreamStatus written = layer->write(piece).status;
  require((written == StreamStatus::kError) == (end == StreamStatus::kError), "errors are final");
  std::vector<Record> expected;
  if (end == StreamStatus::kEof && model.answers_key_update)
    expected.push_back({ContentType::kHandshake, std::string(kKeyUpdate)});
  if (end == StreamStatus::kEof) expected.push_back({ContentType::kApplicationData, answer});
  require(peer.open(socket.take_sent()) == expected, "what is written then");
  return 0;
}
