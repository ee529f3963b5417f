// A hostile peer of an HTTP/2 session, of either role. Whatever comes, the listener is told a story
// that makes sense, its memory is left alone in time, and the pieces the bytes come in make no
// difference.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "proxy/codec/http2/preface.h"
#include "proxy/codec/http2/session.h"
#include "tests/fuzz/require.h"

namespace {

using cppx::proxy::http2::Field;
using cppx::proxy::http2::Role;
using cppx::proxy::http2::Session;
using cppx::proxy::http2::SessionEvents;
using cppx::proxy::http2::SessionOptions;
using cppx::proxy::http2::StreamId;
using cppx::test::require;

constexpr std::size_t kMaxStreams = 16;

SessionOptions small_options() {
  SessionOptions options;
  options.max_concurrent_streams = kMaxStreams;
  options.stream_window_bytes = 1000;
  options.connection_window_bytes = 70'000;
  options.max_head_bytes = 2000;
  return options;
}

/// Answers by what the stream's id is, and keeps the books.
class Listener final : public SessionEvents {
 public:
  explicit Listener(Role role) : role_(role), session(role, small_options(), *this) {}

  void on_request(StreamId id, bool end) override {
    require(role_ == Role::kServer, "requests come to servers");
    open(id, end);
    const auto head = std::make_unique<cppx::routing::RequestHead>();
    const auto taken = session.take_head(id);
    taken.fill(*head);
    require(head->path.starts_with('/') && !head->host.empty(), "a request that can be routed");
    require(head->target.starts_with(head->path), "the path is of the target");
    for (const auto& field : head->fields)
      require(
          !field.name.starts_with(':') &&
              field.value.find_first_of("\r\n") == std::string_view::npos,
          "fields that can be written in HTTP/1"
      );
    note("request", id, head->target);
    answer(id);
  }
  void on_bad_request(StreamId id, std::uint16_t status, bool /*head_method*/) override {
    open(id, true);
    streams_[id].refused = true;
    note("bad", id, std::to_string(status));
    session.submit_response(id, status, {}, true);
  }
  void on_response(StreamId id, bool end) override {
    require(role_ == Role::kClient, "responses come to clients");
    Stream& stream = known(id);
    require(!stream.final_head, "one final response");
    const auto head = std::make_unique<cppx::routing::ResponseHead>();
    const auto taken = session.take_head(id);
    taken.fill(*head);
    require(head->status >= 100 && head->status <= 599, "a status that exists");
    stream.final_head = head->status >= 200;
    stream.ended = end;
    note("response", id, std::to_string(head->status));
  }
  void on_data(StreamId id, std::span<const char> data) override {
    Stream& stream = known(id);
    require(!stream.ended && !stream.refused && !data.empty(), "data before the end");
    stream.unconsumed += data.size();
    // A peer that has not seen our SETTINGS yet goes by the initial window of RFC 9113 6.9.2.
    constexpr std::size_t kInitialWindow = 65535;
    require(
        stream.unconsumed <=
            std::max<std::size_t>(small_options().stream_window_bytes, kInitialWindow),
        "no more than the window"
    );
    data_[id].append(data.data(), data.size());
    if (id % 4 != 3) {
      session.consume(id, data.size());
      stream.unconsumed = 0;
    }
  }
  void on_trailers(StreamId id, std::span<const Field> fields) override {
    require(!known(id).ended && !fields.empty(), "trailers before the end");
  }
  void on_end(StreamId id) override {
    Stream& stream = known(id);
    require(!stream.ended && !stream.refused, "one end");
    stream.ended = true;
    note("end", id, data_[id]);  // of a body that does not end well, less may be told
    if (id % 8 == 5) session.reset(id, cppx::proxy::http2::kCancel);
  }
  void on_progress(StreamId id) override { require(known(id).sending, "something is being sent"); }
  void on_sending(StreamId) override {}
  void on_sent(StreamId id) override {
    Stream& stream = known(id);
    require(stream.sending, "sent what was given");
    stream.sending = false;
    stream.body.reset();  // so that a use after this is seen
    if (id % 8 == 1) {
      const std::array<Field, 1> trailers{{{"Grpc-Status", "0"}}};
      session.send_trailers(id, trailers);
    }
  }
  void on_closed(StreamId id, std::uint32_t /*error_code*/, bool refused) override {
    require(role_ == Role::kClient || !refused, "only a client is refused");
    known(id);
    streams_.erase(id);
  }
  void on_goaway() override { require(role_ == Role::kClient && !goaway_++, "once"); }

  void request(std::string_view method) {
    const std::array<Field, 4> fields{
        {{":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}
    };
    const bool body = method == "POST";
    const auto id = session.submit_request(fields, !body);
    require(id.has_value(), "a client may open a stream");
    open(*id, false);
    if (body) send(*id, 3000);
  }

  [[nodiscard]] std::size_t open_streams() const { return streams_.size(); }

  std::string story;

 private:
  struct Stream {
    bool ended = false;
    bool refused = false;
    bool final_head = false;
    bool sending = false;
    std::size_t unconsumed = 0;
    std::unique_ptr<std::string> body;
    std::unique_ptr<iovec> piece;
  };

  void note(std::string_view what, StreamId id, std::string_view more) {
    story.append(what).append(" ").append(std::to_string(id)).append(" ").append(more).append("\n");
  }
  void open(StreamId id, bool ended) {
    require(seen_.insert(id).second, "an id is used once");
    streams_[id].ended = ended;
  }
  Stream& known(StreamId id) {
    const auto found = streams_.find(id);
    require(found != streams_.end(), "of an open stream");
    return found->second;
  }
  void send(StreamId id, std::size_t size) {
    Stream& stream = known(id);
    stream.body = std::make_unique<std::string>(size, 'x');
    stream.piece = std::make_unique<iovec>(iovec{.iov_base = stream.body->data(), .iov_len = size});
    stream.sending = session.send_data(id, {stream.piece.get(), 1}, id % 8 != 1);
    require(stream.sending, "data can be given after the head");
  }
  void answer(StreamId id) {
    if (id % 16 == 7) return;
    if (id % 16 == 15) return session.reset(id, cppx::proxy::http2::kInternalError);
    if (id % 16 == 3) session.submit_interim(id, 103, {});
    require(session.submit_response(id, 200, {}, id % 16 == 11), "a request can be answered");
    if (id % 16 != 11) send(id, 5000);
  }

  Role role_;
  std::map<StreamId, Stream> streams_;
  std::map<StreamId, std::string> data_;
  std::set<StreamId> seen_;
  int goaway_ = 0;

 public:
  Session session;  // last: it calls the listener
};

void drain(Listener& listener) {
  std::array<char, Session::kMinPullBytes> out;
  for (int i = 0; listener.session.pull(out) > 0; ++i) require(i < 10'000, "comes to an end");
  require(!listener.session.wants_write(), "says when it has sent all");
}

std::string told(Role role, std::string_view bytes, std::size_t step, bool reads) {
  Listener listener(role);
  if (role == Role::kClient)
    for (const char* method : {"GET", "HEAD", "POST", "POST"}) listener.request(method);
  drain(listener);
  Session::TimePoint now{std::chrono::hours(1)};
  auto status = Session::Status::kOk;
  for (; !bytes.empty() && status == Session::Status::kOk;
       bytes.remove_prefix(std::min(step, bytes.size()))) {
    const std::string piece(bytes.substr(0, step));  // so that a look beyond the piece is seen
    status = listener.session.receive(piece, now);
    if (reads) drain(listener);
    if (reads && listener.session.finished()) break;
  }
  drain(listener);
  if (status == Session::Status::kFailed) {
    require(listener.session.finished(), "a session that failed is finished");
    require(!listener.session.failure().empty(), "and says why");
  } else {
    require(listener.session.open_streams() <= kMaxStreams + 1, "no more streams than allowed");
  }
  return listener.story;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 64 * 1024) return 0;
  const Role role = (data[0] & 1U) != 0 ? Role::kServer : Role::kClient;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  // The fuzzer need not find these by itself.
  if ((data[0] & 2U) != 0 && role == Role::kServer) bytes.insert(0, cppx::proxy::http2::kPreface);
  const std::size_t step = 1 + data[0] / 4;
  const std::string whole = told(role, bytes, std::max<std::size_t>(bytes.size(), 1), false);
  // What is sent between the pieces changes what may come: only without it they must agree.
  require(whole == told(role, bytes, step, false), "pieces make no difference");
  told(role, bytes, step, true);
  return 0;
}
