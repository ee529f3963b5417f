#include "tls/server_context.h"

#include <openssl/err.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"

namespace cppx::tls {
namespace {

using namespace test;
using namespace std::string_literals;

std::unique_ptr<ServerContext> new_context() {
  auto result = ServerContext::create();
  REQUIRE(result.has_value());
  return std::move(*result);
}

SniTable new_table() {
  return SniTable(
      certificate_named("fallback"), {{"a.example.com", certificate_named("exact")},
                                      {"*.example.com", certificate_named("wildcard")}}
  );
}

/// Both versions, each alone.
constexpr std::array kVersions = {TLS1_2_VERSION, TLS1_3_VERSION};

ClientOptions only(int version, std::string name) {
  return {.server_name = std::move(name), .min_version = version, .max_version = version};
}

TEST_CASE("ServerContext: the certificate by server name", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  const std::vector<std::pair<std::optional<std::string>, std::string>> cases = {
      {"a.example.com", "exact"},     {"A.EXAMPLE.COM", "exact"},
      {"a.example.com.", "exact"},    {"b.example.com", "wildcard"},
      {"B.Example.Com.", "wildcard"}, {"x.b.example.com", "fallback"},
      {"example.com", "fallback"},    {"unknown.test", "fallback"},
      {"127.0.0.1", "fallback"},      {"::1", "fallback"},
      {std::nullopt, "fallback"},
  };
  for (const int version : kVersions) {
    for (const auto& [name, shown] : cases) {
      CAPTURE(version, name.value_or("(none)"));
      const Connection connection(
          *context, table, {.server_name = name, .min_version = version, .max_version = version}
      );
      REQUIRE(connection.established());
      CHECK(connection.shown_name() == shown);
      CHECK(ERR_peek_error() == 0);
    }
  }
}

TEST_CASE("ServerContext: the name counts also when the client has to say hello again", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  ClientOptions options{.server_name = "a.example.com"};
  options.server_groups = "P-384";  // the client sends a key for X25519 first
  Connection first(*context, table, options);
  REQUIRE(first.established());
  CHECK(first.shown_name() == "exact");
  const SessionPtr session = first.close_and_take_session();
  options.session = session.get();
  Connection again(*context, table, options);
  REQUIRE(again.established());
  CHECK(again.resumed());
  options.server_name = "b.example.com";
  Connection other(*context, table, options);
  REQUIRE(other.established());
  CHECK_FALSE(other.resumed());
  CHECK(other.shown_name() == "wildcard");
}

TEST_CASE("ServerContext: versions 1.2 and 1.3, nothing older", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  Connection newest(*context, table, {.server_name = "a.example.com"});
  CHECK(newest.version() == "TLSv1.3");
  CHECK(newest.echo());
  Connection older(*context, table, only(TLS1_2_VERSION, "a.example.com"));
  CHECK(older.version() == "TLSv1.2");
  CHECK(older.echo());
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    const Connection refused(*context, table, only(version, "a.example.com"));
    CHECK_FALSE(refused.established());
    CHECK(refused.client_error() == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
  }
}

TEST_CASE("ServerContext: the server's order of ciphers counts", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  ClientOptions options = only(TLS1_2_VERSION, "a.example.com");
  options.ciphers =
      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"
      "ECDHE-ECDSA-AES128-GCM-SHA256";
  const Connection connection(*context, table, options);
  REQUIRE(connection.established());
  CHECK(connection.cipher() == "ECDHE-ECDSA-AES128-GCM-SHA256");
  options.ciphers = "ECDHE-ECDSA-AES128-SHA256:AES128-SHA";
  const Connection refused(*context, table, options);
  CHECK_FALSE(refused.established());
  CHECK(refused.client_error() == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
}

TEST_CASE(
    "ServerContext: ALPN takes h2 where it is on, else http/1.1, goes on without ALPN, refuses the "
    "rest",
    "[tls]"
) {
  const auto context = new_context();
  const SniTable table = new_table();
  struct Case {
    std::vector<std::string> offered;
    bool established;
    std::string chosen;
    bool http2 = false;
  };
  const std::vector<Case> cases = {
      {{}, true, ""},
      {{}, true, "", true},
      {{"http/1.1"}, true, "http/1.1", true},
      {{"h2"}, true, "h2", true},
      {{"http/1.1", "h2"}, true, "h2", true},
      {{"h3"}, false, "", true},
      {{"http/1.1"}, true, "http/1.1"},
      {{"h2", "http/1.1"}, true, "http/1.1"},
      {{"http/1.1", "h2"}, true, "http/1.1"},
      {{"h2"}, false, ""},
      {{"acme-tls/1"}, false, ""},
      {{"HTTP/1.1"}, false, ""},
  };
  for (const int version : kVersions) {
    for (const Case& c : cases) {
      CAPTURE(version, c.offered);
      ClientOptions options = only(version, "a.example.com");
      options.alpn = c.offered;
      options.server_http2 = c.http2;
      const Connection connection(*context, table, options);
      CHECK(connection.established() == c.established);
      CHECK(connection.alpn() == c.chosen);
      if (!c.established)
        CHECK(connection.client_error() == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    }
  }
}

TEST_CASE("ServerContext: RSA, ECDSA and Ed25519 certificates are served", "[tls]") {
  const auto context = new_context();
  const SniTable table(
      certificate_named("fallback"), {{"rsa.test", certificate_named("rsa", KeyKind::kRsa2048)},
                                      {"p384.test", certificate_named("p384", KeyKind::kP384)},
                                      {"ed.test", certificate_named("ed", KeyKind::kEd25519)}}
  );
  for (const int version : kVersions) {
    for (const std::string name : {"rsa", "p384", "ed"}) {
      CAPTURE(version, name);
      Connection connection(*context, table, only(version, name + ".test"));
      REQUIRE(connection.established());
      CHECK(connection.shown_name() == name);
      CHECK(connection.echo());
    }
  }
}

TEST_CASE("ServerContext: a client that cannot use the key gets no other certificate", "[tls]") {
  const auto context = new_context();
  const SniTable table(
      certificate_named("fallback", KeyKind::kRsa2048),
      {{"a.test", certificate_named("exact", KeyKind::kP256)}}
  );
  ClientOptions options{.server_name = "a.test"};
  options.signature_algorithms = "rsa_pss_rsae_sha256:RSA+SHA256";
  const Connection connection(*context, table, options);
  CHECK_FALSE(connection.established());
}

TEST_CASE("ServerContext: the chain is sent leaf first, as it is in the Secret", "[tls]") {
  const auto context = new_context();
  const Issued root = issue({.common_name = "root", .is_ca = true}, KeyKind::kP256);
  const Issued middle = issue({.common_name = "middle", .is_ca = true}, KeyKind::kRsa2048, &root);
  const Issued leaf =
      issue({.common_name = "leaf", .dns_names = {"a.test"}}, KeyKind::kP256, &middle);
  const std::string key = pem_of(leaf.key.get());
  const std::string chain = pem_of(leaf.certificate.get()) + pem_of(middle.certificate.get());
  const SniTable table(
      *Certificate::from_pem(chain, key),
      {{"all.test", *Certificate::from_pem(chain + pem_of(root.certificate.get()), key)},
       {"alone.test", *Certificate::from_pem(pem_of(leaf.certificate.get()), key)}}
  );

  const Connection two(*context, table, {.server_name = "a.test"});
  CHECK(two.shown_chain() == std::vector{"leaf"s, "middle"s});
  const Connection three(*context, table, {.server_name = "all.test"});
  CHECK(three.shown_chain() == std::vector{"leaf"s, "middle"s, "root"s});
  const Connection one(*context, table, {.server_name = "alone.test"});
  CHECK(one.shown_chain() == std::vector{"leaf"s});
}

TEST_CASE("ServerContext: a new table serves new connections, old ones live on", "[tls]") {
  const auto context = new_context();
  auto old_table = std::make_unique<SniTable>(certificate_named("old"));
  Connection before(*context, *old_table, {.server_name = "a.test"});
  REQUIRE(before.established());
  const SniTable new_table(certificate_named("new"));
  const Connection after(*context, new_table, {.server_name = "a.test"});
  CHECK(after.shown_name() == "new");
  old_table.reset();
  CHECK(before.echo());
  CHECK(before.shown_name() == "old");
}

TEST_CASE("ServerContext: a session is resumed under its own name", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  for (const int version : kVersions) {
    CAPTURE(version);
    ClientOptions options = only(version, "a.example.com");
    Connection first(*context, table, options);
    REQUIRE(first.established());
    CHECK_FALSE(first.resumed());
    const SessionPtr session = first.close_and_take_session();
    REQUIRE(SSL_SESSION_is_resumable(session.get()) == 1);
    for (const std::string name : {"a.example.com", "A.Example.com."}) {
      options.server_name = name;
      options.session = session.get();
      Connection second(*context, table, options);
      REQUIRE(second.established());
      CHECK(second.resumed());
      CHECK(second.shown_name() == "exact");
      CHECK(second.echo());
    }
  }
}

TEST_CASE("ServerContext: a session is not resumed under another name", "[tls]") {
  const auto context = new_context();
  const SniTable table =
      new_table().with(certificate_named("fallback"), {{"same.test", certificate_named("shared")}});
  for (const int version : kVersions) {
    for (const std::string name : {"b.example.com", "c.example.com", "unknown.test", ""}) {
      CAPTURE(version, name);
      Connection first(*context, table, only(version, "a.example.com"));
      const SessionPtr session = first.close_and_take_session();
      ClientOptions options = only(version, name);
      if (name.empty()) options.server_name.reset();
      options.session = session.get();
      Connection second(*context, table, options);
      REQUIRE(second.established());
      CHECK_FALSE(second.resumed());
      CHECK(second.shown_name() == (name.ends_with("example.com") ? "wildcard" : "fallback"));
    }
    // The same certificate for both names makes no difference.
    Connection first(*context, table, only(version, "b.example.com"));
    const SessionPtr session = first.close_and_take_session();
    ClientOptions options = only(version, "c.example.com");
    options.session = session.get();
    const Connection second(*context, table, options);
    REQUIRE(second.established());
    CHECK_FALSE(second.resumed());
  }
}

TEST_CASE("ServerContext: a replaced certificate ends resumption, an equal one does not", "[tls]") {
  const auto context = new_context();
  const Issued issued = issue({.common_name = "kept"}, KeyKind::kP256);
  const std::string certificate = pem_of(issued.certificate.get());
  const std::string key = pem_of(issued.key.get());
  for (const int version : kVersions) {
    CAPTURE(version);
    const SniTable old_table(*Certificate::from_pem(certificate, key));
    const SniTable same_table(*Certificate::from_pem(certificate, key));
    const SniTable new_table(certificate_named("new"));
    Connection first(*context, old_table, only(version, "a.test"));
    const SessionPtr session = first.close_and_take_session();
    ClientOptions options = only(version, "a.test");
    options.session = session.get();
    const Connection same(*context, same_table, options);
    CHECK(same.resumed());
    const Connection replaced(*context, new_table, options);
    REQUIRE(replaced.established());
    CHECK_FALSE(replaced.resumed());
    CHECK(replaced.shown_name() == "new");
  }
}

TEST_CASE("ServerContext: workers on threads of their own share certificates", "[tls]") {
  const SniTable table = new_table();
  constexpr int kThreads = 4;
  constexpr int kRounds = 8;
  std::atomic<int> served{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < kThreads; ++i) {
    workers.emplace_back([&table, &served] {
      const auto context = ServerContext::create();
      for (int round = 0; context.has_value() && round < kRounds; ++round) {
        const bool exact = round % 2 == 0;
        Connection connection(
            **context, table, {.server_name = exact ? "a.example.com" : "b.example.com"}
        );
        if (connection.shown_name() == (exact ? "exact" : "wildcard") && connection.echo())
          ++served;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(served == kThreads * kRounds);
}

TEST_CASE("ServerContext: no tickets, no compression, no renegotiation", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  Connection connection(*context, table, only(TLS1_2_VERSION, "a.example.com"));
  REQUIRE(connection.established());
  CHECK(SSL_get_current_compression(connection.client()) == nullptr);
  const SSL_SESSION* session = SSL_get_session(connection.client());
  CHECK(SSL_SESSION_has_ticket(session) == 0);

  REQUIRE(SSL_renegotiate(connection.client()) == 1);
  char buffer[16];
  SSL_do_handshake(connection.client());
  SSL_read(connection.server(), buffer, sizeof(buffer));
  SSL_do_handshake(connection.client());
  SSL_read(connection.server(), buffer, sizeof(buffer));
  CHECK(SSL_session_reused(connection.client()) == 0);
  CHECK(SSL_total_renegotiations(connection.server()) == 0);
  CHECK((SSL_get_options(connection.server()) & SSL_OP_NO_RENEGOTIATION) != 0);
  ERR_clear_error();
}

TEST_CASE("ServerContext: the mode of the sockets' SSL is that of a non-blocking proxy", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  const Connection connection(*context, table, {});
  const long mode = SSL_get_mode(connection.server());
  CHECK((mode & SSL_MODE_RELEASE_BUFFERS) != 0);
  CHECK((mode & SSL_MODE_ENABLE_PARTIAL_WRITE) != 0);
  CHECK((mode & SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) != 0);
  CHECK(SSL_get_read_ahead(connection.server()) == 1);
}

TEST_CASE("ServerContext: an end without close_notify reads as the end, not as an error", "[tls]") {
  const auto context = new_context();
  const SniTable table = new_table();
  for (const int version : kVersions) {
    Connection connection(*context, table, only(version, "a.example.com"));
    REQUIRE(connection.echo());
    connection.drop_client();
    char buffer[16];
    const int result = SSL_read(connection.server(), buffer, sizeof(buffer));
    CHECK(SSL_get_error(connection.server(), result) == SSL_ERROR_ZERO_RETURN);
  }
}

}  // namespace
}  // namespace cppx::tls
