#include "tls/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"
#include "tests/unit/tls/test_records.h"
#include "tls/openssl.h"
#include "tls/record_limit.h"

namespace cppx::tls {
namespace {

using namespace test;
using namespace std::string_literals;

/// A version with a suite of its own. The names are OpenSSL's.
struct Suite {
  int version;
  const char* protocol;
  const char* cipher;
};
const std::vector<Suite> kAllSuites = {
    {TLS1_3_VERSION, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {TLS1_3_VERSION, "TLSv1.3", "TLS_AES_256_GCM_SHA384"},
    {TLS1_3_VERSION, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"},
};

struct Options {
  Suite suite = kAllSuites.front();
  SSL_SESSION* session = nullptr;
  std::string alpn = {};           // as on the wire
  std::string server_groups = {};  // one that the client did not guess
  std::size_t chunk = ScriptedSocket::kAll;
  std::size_t room = ScriptedSocket::kAll;  // for each round
};

/// What all connections of a test are accepted with.
struct Server {
  Server() {
    auto made = ServerContext::create();
    REQUIRE(made.has_value());
    context = std::move(*made);
  }
  std::unique_ptr<ServerContext> context;
  SniTable table{certificate_named("a.test")};
  HandshakeOptions handshake{.certificates = table, .http2 = true};
};

/// By the client.
struct Received {
  int key_updates = 0;
  std::size_t longest_record = 0;  // protected
};

extern "C" void cppx_test_on_message(
    int write, int, int type, const void* message, std::size_t size, SSL*, void* received
) {
  constexpr unsigned char kKeyUpdateType = 24;
  const Bytes bytes(static_cast<const unsigned char*>(message), size);
  if (write != 0) return;
  auto& counts = *static_cast<Received*>(received);
  if (type == SSL3_RT_HANDSHAKE && !bytes.empty() && bytes[0] == kKeyUpdateType)
    ++counts.key_updates;
  if (type == SSL3_RT_HEADER && bytes.size() == kRecordHeaderBytes)
    counts.longest_record = std::max<std::size_t>(
        counts.longest_record, static_cast<std::size_t>(bytes[3]) << 8U | bytes[4]
    );
}

/// A Stream and OpenSSL's client; bytes go over when they are told to.
class StreamConnection {
 public:
  explicit StreamConnection(Server& server, Options options = {})
      : options_(std::move(options)), context_(SSL_CTX_new(TLS_client_method())) {
    client_.reset(SSL_new(context_.get()));
    REQUIRE(client_);
    SSL_set_bio(client(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client());
    SSL_set_msg_callback(client(), cppx_test_on_message);
    SSL_set_msg_callback_arg(client(), &received);
    const Suite& suite = options_.suite;
    REQUIRE(SSL_set_min_proto_version(client(), suite.version) == 1);
    REQUIRE(SSL_set_max_proto_version(client(), suite.version) == 1);
    const bool new_version = suite.version == TLS1_3_VERSION;
    REQUIRE(
        (new_version ? SSL_set_ciphersuites(client(), suite.cipher)
                     : SSL_set_cipher_list(client(), suite.cipher)) == 1
    );
    REQUIRE(SSL_set_tlsext_host_name(client(), "A.test") == 1);
    const Bytes alpn = bytes_of(options_.alpn);
    if (!alpn.empty())
      REQUIRE(SSL_set_alpn_protos(client(), alpn.data(), static_cast<unsigned>(alpn.size())) == 0);
    if (options_.session != nullptr) REQUIRE(SSL_set_session(client(), options_.session) == 1);
    SslPtr accepted = server.context->accept(server.handshake);
    REQUIRE(accepted);
    if (!options_.server_groups.empty())
      REQUIRE(SSL_set1_groups_list(accepted.get(), options_.server_groups.data()) == 1);
    stream = Stream::create(std::move(accepted), socket);
    REQUIRE(stream);
    socket.chunk = options_.chunk;
  }
  ~StreamConnection() { ERR_clear_error(); }
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  [[nodiscard]] SSL* client() const { return client_.get(); }
  [[nodiscard]] bool resumed() const { return SSL_session_reused(client()) == 1; }

  /// What the client has written since.
  std::string client_bytes() {
    std::string bytes;
    std::array<char, 4096> part{};
    for (int size = 0; (size = BIO_read(SSL_get_wbio(client()), part.data(), part.size())) > 0;)
      bytes.append(part.data(), static_cast<std::size_t>(size));
    return bytes;
  }
  void to_server() { socket.deliver(client_bytes()); }
  void to_client() {
    const std::string bytes = socket.take_sent();
    if (!bytes.empty())
      REQUIRE(
          BIO_write(SSL_get_rbio(client()), bytes.data(), static_cast<int>(bytes.size())) ==
          static_cast<int>(bytes.size())
      );
    socket.room = options_.room;
  }

  /// The client's part of the handshake, after which it says `early` at once. How it went for the
  /// server.
  StreamStatus shake_hands(std::string_view early = {}) {
    socket.room = options_.room;
    bool client_done = false;
    StreamStatus status = StreamStatus::kWantRead;
    for (int round = 0; round < 20'000; ++round) {
      if (!client_done) {
        ERR_clear_error();
        client_done = SSL_do_handshake(client()) == 1;
        if (client_done && !early.empty()) client_write(early);
      }
      to_server();
      if (status != StreamStatus::kOk) status = stream->handshake().status;
      // What the client waits for is not kept back.
      if (status == StreamStatus::kWantRead && !socket.more.empty())
        CHECK_FALSE(socket.more.back());
      to_client();
      if (status == StreamStatus::kError || (client_done && status == StreamStatus::kOk)) break;
    }
    return client_done || status == StreamStatus::kError ? status : StreamStatus::kWantRead;
  }

  void client_write(std::string_view text) {
    ERR_clear_error();
    REQUIRE(
        SSL_write(client(), text.data(), static_cast<int>(text.size())) ==
        static_cast<int>(text.size())
    );
  }
  /// All that the client has by now, and SSL_ERROR_*.
  std::pair<std::string, int> client_read() {
    ERR_clear_error();
    std::string text;
    std::array<char, 10'000> part{};
    for (;;) {
      const int size = SSL_read(client(), part.data(), part.size());
      if (size <= 0) return {text, SSL_get_error(client(), size)};
      text.append(part.data(), static_cast<std::size_t>(size));
    }
  }
  /// All that the server has by now, and why there is no more.
  std::pair<std::string, StreamStatus> server_read() {
    std::string text;
    std::array<char, 10'000> part{};
    for (;;) {
      const bool buffered = stream->has_buffered_input();
      const int receives = socket.receives;
      const StreamResult result = stream->read(part);
      CHECK((buffered || socket.receives > receives));
      if (result.status != StreamStatus::kOk) return {text, result.status};
      text.append(part.data(), result.bytes);
    }
  }
  /// Writes all of `text` in two pieces at a time; what the client has of it.
  std::string server_write(std::string text) {
    std::string came;
    std::size_t written = 0;
    for (int turn = 0; written < text.size(); ++turn) {
      REQUIRE(turn < 10'000);
      char* const begin = text.data() + written;
      const std::size_t size = text.size() - written;
      const std::size_t first = std::min<std::size_t>(size, 100);
      std::vector<iovec> pieces = {{begin, first}};
      if (size != first) pieces.push_back({begin + first, size - first});
      const StreamResult result = stream->write(pieces);
      if (result.status == StreamStatus::kOk)
        written += result.bytes;
      else
        REQUIRE(result.status == StreamStatus::kWantWrite);
      to_client();
      came += client_read().first;
    }
    return came;
  }
  std::pair<std::string, StreamStatus> carry(std::string_view text) {
    client_write(text);
    to_server();
    return server_read();
  }
  void check_echo() {
    CHECK((carry("question") == std::pair{"question"s, StreamStatus::kWantRead}));
    CHECK(server_write("answer") == "answer");
  }
  SessionPtr session() const { return SessionPtr(SSL_get1_session(client())); }

  ScriptedSocket socket;
  std::unique_ptr<Stream> stream;
  Received received;

 private:
  Options options_;
  SslCtxPtr context_;
  SslPtr client_;
};

TEST_CASE("Stream: both versions and all suites of the new one", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    StreamConnection connection(server, {.suite = suite});
    CHECK(connection.stream->protocol().empty());
    REQUIRE(connection.shake_hands() == StreamStatus::kOk);
    CHECK(connection.stream->protocol() == suite.protocol);
    CHECK(connection.stream->cipher() == suite.cipher);
    CHECK(connection.stream->server_name() == "A.test");
    CHECK(connection.stream->alpn().empty());
    CHECK_FALSE(connection.resumed());
    CHECK_FALSE(connection.stream->has_buffered_input());
    // Tickets, which nobody waits for.
    CHECK(connection.socket.more.back() == (suite.version == TLS1_3_VERSION));
    for (int i = 0; i < 3; ++i) connection.check_echo();
  }
}

TEST_CASE("Stream: the protocol that both know", "[tls]") {
  Server server;
  struct Case {
    std::string offered;
    std::string chosen;
  };
  const std::vector<Case> cases = {
      {"", ""}, {"\x8http/1.1", "http/1.1"}, {"\x8http/1.1\x2h2", "h2"}
  };
  for (const Suite& suite : kAllSuites) {
    for (const Case& c : cases) {
      CAPTURE(suite.cipher, c.offered);
      StreamConnection connection(server, {.suite = suite, .alpn = c.offered});
      REQUIRE(connection.shake_hands() == StreamStatus::kOk);
      CHECK(connection.stream->alpn() == c.chosen);
    }
    StreamConnection refused(server, {.suite = suite, .alpn = "\x2h3"});
    CHECK(refused.shake_hands() == StreamStatus::kError);
    CHECK(SSL_do_handshake(refused.client()) != 1);
    CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    // The alert goes to this connection only.
    CHECK(refused.stream->handshake().status == StreamStatus::kError);
  }
}

TEST_CASE("Stream: a handshake octet by octet, in both directions", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    for (const std::size_t room : std::vector<std::size_t>{1, 100, ScriptedSocket::kAll}) {
      StreamConnection connection(server, {.suite = suite, .chunk = 1, .room = room});
      REQUIRE(connection.shake_hands("with Finished") == StreamStatus::kOk);
      connection.to_server();
      CHECK(connection.server_read().first == "with Finished");
      connection.check_echo();
    }
  }
}

TEST_CASE("Stream: what came with the client's Finished is not lost", "[tls]") {
  Server server;
  // More than one receive, and than a record.
  for (const std::string& early : {"GET"s, long_text(16'384), long_text(100'000)}) {
    for (const Suite& suite : kAllSuites) {
      CAPTURE(suite.cipher, early.size());
      SessionPtr session;
      // Only in a resumed handshake of TLS 1.2 the client's Finished is the last.
      for (const bool resumed : {false, true}) {
        StreamConnection connection(server, {.suite = suite, .session = session.get()});
        REQUIRE(connection.shake_hands(early) == StreamStatus::kOk);
        CHECK(connection.resumed() == resumed);
        if (suite.version == TLS1_3_VERSION || resumed)
          CHECK(connection.stream->has_buffered_input());
        connection.to_server();
        CHECK((connection.server_read() == std::pair{early, StreamStatus::kWantRead}));
        CHECK_FALSE(connection.stream->has_buffered_input());
        connection.check_echo();
        session = connection.session();
      }
    }
  }
}

TEST_CASE("Stream: the client's data and close_notify with its Finished", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    StreamConnection connection(server, {.suite = suite});
    REQUIRE(connection.shake_hands("all") == StreamStatus::kOk);
    SSL_shutdown(connection.client());
    connection.to_server();
    CHECK((connection.server_read() == std::pair{"all"s, StreamStatus::kEof}));
  }
}

TEST_CASE("Stream: large transfers in both directions, however the socket cuts them", "[tls]") {
  Server server;
  const std::string text = long_text(1'000'000);
  for (const Suite& suite : kAllSuites) {
    for (const std::size_t part : std::vector<std::size_t>{1500, 50'000, ScriptedSocket::kAll}) {
      CAPTURE(suite.cipher, part);
      StreamConnection connection(server, {.suite = suite, .chunk = part, .room = part});
      REQUIRE(connection.shake_hands() == StreamStatus::kOk);
      CHECK((connection.carry(text) == std::pair{text, StreamStatus::kWantRead}));
      CHECK((connection.server_write(text) == text));
      connection.check_echo();
    }
  }
}

TEST_CASE("Stream: after a handshake of TLS 1.3 several records go out at once", "[tls]") {
  Server server;
  const std::string text = long_text(40'000);
  for (const Suite& suite : kAllSuites) {
    for (const std::string_view early : {"", "with Finished"}) {
      CAPTURE(suite.cipher, early);
      StreamConnection connection(server, {.suite = suite});
      REQUIRE(connection.shake_hands(early) == StreamStatus::kOk);
      connection.socket.more.clear();
      CHECK((connection.server_write(text) == text));
      // Of TLS 1.2 OpenSSL has still to do it, one by one.
      const bool own_records = suite.version == TLS1_3_VERSION;
      CHECK(
          connection.socket.more ==
          (own_records ? std::vector{false} : std::vector{true, true, false})
      );
    }
  }
}

TEST_CASE("Stream: a client that takes short records only gets no others", "[tls]") {
  Server server;
  struct Case {
    unsigned char code;
    std::size_t size;
  };
  const std::vector<Case> cases = {
      {TLSEXT_max_fragment_length_512, 512},
      {TLSEXT_max_fragment_length_1024, 1024},
      {TLSEXT_max_fragment_length_2048, 2048},
      {TLSEXT_max_fragment_length_4096, 4096}
  };
  const std::string text = long_text(100'000);
  for (const Suite& suite : kAllSuites) {
    SessionPtr session;
    for (const Case& c : cases) {
      // A session is resumed with the same length only.
      for (const bool resumed : {false, true}) {
        CAPTURE(suite.cipher, c.size, resumed);
        StreamConnection connection(
            server, {.suite = suite, .session = resumed ? session.get() : nullptr}
        );
        REQUIRE(SSL_set_tlsext_max_fragment_length(connection.client(), c.code) == 1);
        REQUIRE(connection.shake_hands() == StreamStatus::kOk);
        CHECK(connection.resumed() == resumed);
        connection.received.longest_record = 0;
        CHECK(connection.server_write(text) == text);
        // With the content type and the tag of TLS 1.3, or the nonce and tag of TLS 1.2.
        const bool own_records = suite.version == TLS1_3_VERSION;
        CHECK(connection.received.longest_record == c.size + (own_records ? 17 : 24));
        CHECK(connection.carry("heard").first == "heard");
        CHECK((connection.carry(text).first == text));
        session = connection.session();
        if (!own_records) continue;
        for (int round = 1; round <= 3; ++round) {
          REQUIRE(SSL_key_update(connection.client(), SSL_KEY_UPDATE_REQUESTED) == 1);
          connection.check_echo();
          connection.check_echo();
          CHECK(connection.received.key_updates == round);
        }
        // Many records at once, which OpenSSL does not do.
        connection.socket.more.clear();
        CHECK(connection.server_write(text.substr(0, 40'000)) == text.substr(0, 40'000));
        CHECK(connection.socket.more == std::vector{false});
      }
    }
  }
}

TEST_CASE("Stream: the client's new keys, and ours if it asks for them", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    if (suite.version != TLS1_3_VERSION) continue;
    CAPTURE(suite.cipher);
    StreamConnection connection(server, {.suite = suite});
    REQUIRE(connection.shake_hands() == StreamStatus::kOk);
    for (int round = 1; round <= 3; ++round) {
      REQUIRE(SSL_key_update(connection.client(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
      connection.check_echo();
      CHECK(connection.received.key_updates == round - 1);
      REQUIRE(SSL_key_update(connection.client(), SSL_KEY_UPDATE_REQUESTED) == 1);
      connection.check_echo();
      connection.check_echo();
      CHECK(connection.received.key_updates == round);
    }
    // Before the server has read anything.
    StreamConnection early(server, {.suite = suite});
    REQUIRE(early.shake_hands("x") == StreamStatus::kOk);
    REQUIRE(SSL_key_update(early.client(), SSL_KEY_UPDATE_REQUESTED) == 1);
    CHECK((early.carry("y") == std::pair{"xy"s, StreamStatus::kWantRead}));
    CHECK(early.server_write("z") == "z");
    CHECK(early.received.key_updates == 1);
  }
}

TEST_CASE("Stream: padding of the client is stripped", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    if (suite.version != TLS1_3_VERSION) continue;
    for (const std::size_t block : std::vector<std::size_t>{2, 1024, 16384}) {
      CAPTURE(suite.cipher, block);
      StreamConnection connection(server, {.suite = suite});
      REQUIRE(SSL_set_block_padding(connection.client(), block) == 1);
      REQUIRE(connection.shake_hands("early ") == StreamStatus::kOk);
      CHECK(connection.carry("late").first == "early late");
      const std::string text = long_text(50'000);
      CHECK((connection.carry(text).first == text));
      connection.check_echo();
    }
  }
}

TEST_CASE("Stream: resumption with what the client was given on the connection before", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    SessionPtr session;
    for (int round = 0; round < 4; ++round) {
      CAPTURE(suite.cipher, round);
      StreamConnection connection(server, {.suite = suite, .session = session.get()});
      REQUIRE(connection.shake_hands() == StreamStatus::kOk);
      CHECK(connection.resumed() == (round != 0));
      CHECK(connection.stream->server_name() == "A.test");
      connection.check_echo();
      // TLS 1.3's come after the handshake: the client has taken them in with the data.
      session = connection.session();
      CHECK(SSL_SESSION_is_resumable(session.get()) == 1);
    }
    StreamConnection without(server, {.suite = suite});
    REQUIRE(without.shake_hands() == StreamStatus::kOk);
    CHECK_FALSE(without.resumed());
    without.check_echo();
  }
}

TEST_CASE("Stream: a client that has to say hello again", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    for (const std::size_t chunk : std::vector<std::size_t>{1, ScriptedSocket::kAll}) {
      CAPTURE(suite.cipher, chunk);
      StreamConnection connection(
          server, {.suite = suite, .server_groups = "P-384", .chunk = chunk}
      );
      REQUIRE(connection.shake_hands("early") == StreamStatus::kOk);
      connection.to_server();
      CHECK(connection.server_read().first == "early");
      connection.check_echo();
      StreamConnection again(
          server, {.suite = suite, .session = connection.session().get(), .server_groups = "P-384"}
      );
      REQUIRE(again.shake_hands() == StreamStatus::kOk);
      CHECK(again.resumed());
      again.check_echo();
    }
  }
}

TEST_CASE("Stream: close_notify of either end is the other's end", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    for (const bool more : {false, true}) {
      CAPTURE(suite.cipher, more);
      StreamConnection connection(server, {.suite = suite});
      connection.stream->close_notify(false);
      CHECK(connection.socket.sent().empty());
      REQUIRE(connection.shake_hands() == StreamStatus::kOk);
      connection.check_echo();
      connection.stream->close_notify(more);
      CHECK(connection.socket.more.back() == more);
      connection.to_client();
      CHECK((connection.client_read() == std::pair{""s, SSL_ERROR_ZERO_RETURN}));
      SSL_shutdown(connection.client());
      connection.to_server();
      CHECK((connection.server_read() == std::pair{""s, StreamStatus::kEof}));
      CHECK(ERR_peek_error() == 0);
    }
  }
}

TEST_CASE("Stream: the socket's end without close_notify is the end between records", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    StreamConnection connection(server, {.suite = suite});
    REQUIRE(connection.shake_hands() == StreamStatus::kOk);
    connection.socket.end = ScriptedSocket::End::kClosed;
    CHECK((connection.carry("last") == std::pair{"last"s, StreamStatus::kEof}));
  }
}

TEST_CASE("Stream: the socket's end within a record is an error", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    for (const std::size_t part : std::vector<std::size_t>{1, 4, 5, 6, 20}) {
      for (const bool with_data : {true, false}) {
        CAPTURE(suite.cipher, part, with_data);
        StreamConnection connection(server, {.suite = suite});
        REQUIRE(connection.shake_hands() == StreamStatus::kOk);
        if (with_data) {
          connection.client_write("whole");
          connection.to_server();
        }
        connection.client_write("cut");
        connection.socket.deliver(connection.client_bytes().substr(0, part));
        connection.socket.end = ScriptedSocket::End::kClosed;
        const std::string data = with_data ? "whole" : "";
        CHECK((connection.server_read() == std::pair{data, StreamStatus::kError}));
        CHECK(ERR_peek_error() == 0);
      }
    }
  }
}

TEST_CASE("Stream: what follows close_notify is no record that was cut off", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    StreamConnection connection(server, {.suite = suite});
    REQUIRE(connection.shake_hands() == StreamStatus::kOk);
    SSL_shutdown(connection.client());
    connection.to_server();
    connection.socket.deliver("no record");
    connection.socket.end = ScriptedSocket::End::kClosed;
    CHECK((connection.server_read() == std::pair{""s, StreamStatus::kEof}));
  }
}

TEST_CASE("Stream: what is not TLS ends the handshake and the connection", "[tls]") {
  Server server;
  for (const Suite& suite : kAllSuites) {
    CAPTURE(suite.cipher);
    StreamConnection before(server, {.suite = suite});
    before.socket.deliver("GET / HTTP/1.1\r\n\r\n");
    CHECK(before.stream->handshake().status == StreamStatus::kError);
    CHECK(ERR_peek_error() == 0);
    StreamConnection after(server, {.suite = suite});
    REQUIRE(after.shake_hands() == StreamStatus::kOk);
    after.socket.deliver("GET / HTTP/1.1\r\n\r\n");
    CHECK(after.server_read().second == StreamStatus::kError);
    CHECK(ERR_peek_error() == 0);
    after.to_client();
    CHECK(after.client_read().second == SSL_ERROR_SSL);
    CHECK(ERR_peek_error() != 0);
  }
}

TEST_CASE("RecordLimit: the last record that is allowed may be read to its end", "[tls]") {
  RecordLimit limit;
  for (int i = 0; i < 1000; ++i) limit.on_record(true);  // of the handshake
  for (int read = 0; read < 2; ++read) {
    limit.start_read();
    for (std::uint32_t i = 0; i < RecordLimit::kRecordsPerRead; ++i) limit.on_record(false);
    CHECK_FALSE(limit.exceeded());
  }
  limit.on_record(false);
  CHECK(limit.exceeded());
  limit.start_read();
  CHECK(limit.exceeded());
}

TEST_CASE("Stream: a client of TLS 1.2 that renegotiates is refused at once", "[tls]") {
  Server server;
  for (const bool reads : {true, false}) {
    CAPTURE(reads);
    StreamConnection connection(server, {.suite = kAllSuites.back()});
    REQUIRE(connection.shake_hands() == StreamStatus::kOk);
    connection.check_echo();
    if (!reads) {
      // The alert has to wait for data that is on its way.
      std::string text = long_text(50'000);
      iovec piece{text.data(), text.size()};
      connection.socket.room = 0;
      CHECK(connection.stream->write({&piece, 1}).status == StreamStatus::kWantWrite);
    }
    REQUIRE(SSL_renegotiate(connection.client()) == 1);
    CHECK(SSL_do_handshake(connection.client()) != 1);
    connection.to_server();
    const int receives = connection.socket.receives;
    CHECK((connection.server_read() == std::pair{""s, StreamStatus::kError}));
    CHECK(connection.socket.receives == receives + 1);
    CHECK(connection.socket.sent().empty() != reads);
    std::array<char, 10> into{};
    CHECK(connection.stream->read(into).status == StreamStatus::kError);
    CHECK(connection.socket.receives == receives + 1);
    CHECK(ERR_peek_error() == 0);
  }
}

}  // namespace
}  // namespace cppx::tls
