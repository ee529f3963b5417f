#include "tls/sessions.h"

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tls/test_handshake.h"

namespace cppx::tls {
namespace {

using namespace test;

constexpr std::array kBothVersions = {TLS1_2_VERSION, TLS1_3_VERSION};

/// Contexts that know each other's sessions.
struct Several {
  std::array<std::unique_ptr<ServerContext>, 3> contexts;
  SniTable table{certificate_named("fallback")};

  Several() {
    for (std::uint32_t i = 0; i < contexts.size(); ++i)
      contexts[i] = ServerContext::create({.index = i, .count = 3}).value();
  }
  SessionPtr session_of(std::size_t maker, int version) {
    Connection first(
        *contexts[maker], table,
        {.server_name = "a.test", .min_version = version, .max_version = version}
    );
    REQUIRE(first.established());
    return first.close_and_take_session();
  }
};

ClientOptions resuming(const SessionPtr& session, int version) {
  return {
      .server_name = "a.test",
      .min_version = version,
      .max_version = version,
      .session = session.get()
  };
}

/// Calls `check` for each version with what a client needs to resume a session of `maker`.
template <class Check>
void with_session_of(std::size_t maker, Check check) {
  Several several;
  for (const int version : kBothVersions) {
    CAPTURE(version);
    const SessionPtr session = several.session_of(maker, version);
    check(several, resuming(session, version), version);
  }
}

TEST_CASE("Sessions: one is resumed elsewhere once it was brought there", "[tls]") {
  with_session_of(1, [](Several& several, ClientOptions options, int version) {
    int asked = 0;
    options.on_session_elsewhere = [&](const SessionElsewhere& wanted) {
      ++asked;
      CHECK(wanted.maker == 1);
      CHECK(wanted.key.version == version);
      const SharedSession copy = several.contexts[1]->copy_of(wanted.key);
      CHECK(copy != nullptr);
      several.contexts[2]->keep(copy);
    };
    Connection second(*several.contexts[2], several.table, options);
    REQUIRE(second.established());
    CHECK(second.resumed());
    CHECK(second.echo());
    CHECK(asked == 1);
    // It is here now, and still there.
    Connection third(*several.contexts[2], several.table, options);
    CHECK(third.resumed());
    Connection at_home(*several.contexts[1], several.table, options);
    CHECK(at_home.resumed());
    CHECK(asked == 1);
  });
}

TEST_CASE("Sessions: one that does not come is a full handshake, and asked for once", "[tls]") {
  with_session_of(0, [](Several& several, ClientOptions options, int) {
    int asked = 0;
    options.on_session_elsewhere = [&](const SessionElsewhere&) {
      ++asked;
      several.contexts[2]->keep(nullptr);
    };
    Connection second(*several.contexts[2], several.table, options);
    REQUIRE(second.established());
    CHECK_FALSE(second.resumed());
    CHECK(second.echo());
    CHECK(asked == 1);
    // A handshake that cannot wait.
    options.on_session_elsewhere = {};
    const Connection third(*several.contexts[2], several.table, options);
    REQUIRE(third.established());
    CHECK_FALSE(third.resumed());
  });
}

// RFC 8446 4.1.4: the server has no use for the client's key, and asks for another one.
TEST_CASE("Sessions: one is resumed elsewhere with a HelloRetryRequest as well", "[tls]") {
  Several several;
  const SessionPtr session = several.session_of(1, TLS1_3_VERSION);
  for (const bool late : {false, true}) {
    CAPTURE(late);
    ServerContext& elsewhere = *several.contexts[late ? 0 : 2];
    int asked = 0;
    ClientOptions options = resuming(session, TLS1_3_VERSION);
    if (late) std::swap(options.session, options.late_session);
    options.server_groups = "P-384";
    options.on_session_elsewhere = [&](const SessionElsewhere& wanted) {
      ++asked;
      elsewhere.keep(several.contexts[1]->copy_of(wanted.key));
    };
    Connection second(elsewhere, several.table, options);
    REQUIRE(second.established());
    CHECK(second.resumed());
    CHECK(second.echo());
    CHECK(asked == 1);
  }
}

TEST_CASE("Sessions: nothing is asked of who has not made it", "[tls]") {
  Several several;
  const auto alone = ServerContext::create().value();
  for (const int version : kBothVersions) {
    CAPTURE(version);
    const auto asks = [](const SessionElsewhere&) { FAIL("asked"); };
    const SessionPtr session = several.session_of(1, version);
    ClientOptions options = resuming(session, version);
    options.on_session_elsewhere = asks;
    CHECK(Connection(*several.contexts[1], several.table, options).resumed());
    const Connection other(*alone, several.table, options);
    CHECK(other.established());
    CHECK_FALSE(other.resumed());
    // Of a process that had more of them.
    const auto many = ServerContext::create({.index = 7, .count = 8}).value();
    Connection first(
        *many, several.table,
        {.server_name = "a.test", .min_version = version, .max_version = version}
    );
    const SessionPtr foreign = first.close_and_take_session();
    options.session = foreign.get();
    const Connection second(*several.contexts[0], several.table, options);
    CHECK(second.established());
    CHECK_FALSE(second.resumed());
    // A new client has nothing to resume.
    CHECK(Connection(
              *several.contexts[0], several.table,
              {.min_version = version, .max_version = version, .on_session_elsewhere = asks}
    )
              .established());
  }
}

TEST_CASE("Sessions: a copy is bound to its name and certificate as well", "[tls]") {
  with_session_of(1, [](Several& several, ClientOptions options, int) {
    options.on_session_elsewhere = [&](const SessionElsewhere& wanted) {
      several.contexts[0]->keep(several.contexts[1]->copy_of(wanted.key));
    };
    options.server_name = "b.test";
    const Connection named(*several.contexts[0], several.table, options);
    REQUIRE(named.established());
    CHECK_FALSE(named.resumed());
    options.server_name = "a.test";
    const SniTable other(certificate_named("other"));
    const Connection replaced(*several.contexts[0], other, options);
    REQUIRE(replaced.established());
    CHECK_FALSE(replaced.resumed());
  });
}

TEST_CASE("Sessions: one of another process is not asked for, nor is one that is over", "[tls]") {
  Several several;
  for (const int version : kBothVersions) {
    CAPTURE(version);
    const SessionPtr session = several.session_of(1, version);
    ClientOptions options = resuming(session, version);
    SessionKey key;
    options.on_session_elsewhere = [&](const SessionElsewhere& wanted) { key = wanted.key; };
    Connection second(*several.contexts[0], several.table, options);
    REQUIRE(second.established());
    REQUIRE(key.version == version);
    const SharedSession copy = several.contexts[1]->copy_of(key);
    REQUIRE(copy != nullptr);
    const long begun = SSL_SESSION_get_time(copy.get());
    // What a context keeps begins anew, and its own are as old as they are.
    SSL_SESSION_set_time(copy.get(), begun - 3600);
    several.contexts[0]->keep(copy);
    CHECK(several.contexts[0]->copy_of(key) != nullptr);
    SSL_SESSION_set_time(copy.get(), begun - 3600);
    CHECK(several.contexts[0]->copy_of(key) == nullptr);
  }
  // An ID that names a maker and no process.
  const SessionPtr session = several.session_of(1, TLS1_2_VERSION);
  unsigned int size = 0;
  const unsigned char* id = SSL_SESSION_get_id(session.get(), &size);
  std::string other(id, id + size);
  other[28] = static_cast<char>(other[28] ^ 1);
  const SessionPtr forged(SSL_SESSION_dup(session.get()));
  REQUIRE(
      SSL_SESSION_set1_id(
          forged.get(), reinterpret_cast<const unsigned char*>(other.data()), size
      ) == 1
  );
  ClientOptions options = resuming(forged, TLS1_2_VERSION);
  options.on_session_elsewhere = [](const SessionElsewhere&) { FAIL("asked"); };
  const Connection connection(*several.contexts[0], several.table, options);
  CHECK(connection.established());
  CHECK_FALSE(connection.resumed());
}

TEST_CASE("Sessions: those that are over are forgotten, also without a handshake", "[tls]") {
  Several several;
  ServerContext& context = *several.contexts[0];
  const auto made = [] {
    SharedSession session(SSL_SESSION_new(), SSL_SESSION_free);
    REQUIRE(SSL_SESSION_set_protocol_version(session.get(), TLS1_2_VERSION) == 1);
    SSL_SESSION_set_timeout(session.get(), 600);
    return session;
  };
  const auto id_of = [](unsigned char first) {
    return SessionKey{.id = {first}, .version = TLS1_2_VERSION};
  };
  std::array<SharedSession, 3> kept;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    kept[i] = made();
    const SessionKey key = id_of(static_cast<unsigned char>(i + 1));
    REQUIRE(SSL_SESSION_set1_id(kept[i].get(), key.id.data(), key.id.size()) == 1);
    context.keep(kept[i]);
  }
  REQUIRE(context.sessions() == 3);
  context.forget_ended_sessions();
  CHECK(context.sessions() == 3);
  for (const std::size_t over : {2U, 0U})
    SSL_SESSION_set_time(kept[over].get(), SSL_SESSION_get_time(kept[over].get()) - 601);
  CHECK(context.sessions() == 3);
  context.forget_ended_sessions();
  CHECK(context.sessions() == 1);
  CHECK(context.copy_of(id_of(1)) == nullptr);
  CHECK(context.copy_of(id_of(2)) != nullptr);
  CHECK(context.copy_of(id_of(3)) == nullptr);
}

TEST_CASE("Sessions: when all are forgotten connections go on, and new ones are full", "[tls]") {
  with_session_of(1, [](Several& several, ClientOptions options, int) {
    ServerContext& context = *several.contexts[1];
    Connection open(context, several.table, options);
    REQUIRE(open.resumed());
    REQUIRE(context.sessions() > 0);
    context.forget_sessions();
    CHECK(context.sessions() == 0);
    CHECK(open.echo());
    Connection full(context, several.table, options);
    REQUIRE(full.established());
    CHECK_FALSE(full.resumed());
    CHECK(full.echo());
    // Whoever comes from now on has one again.
    CHECK(context.sessions() > 0);
    const SessionPtr session = full.close_and_take_session();
    options.session = session.get();
    CHECK(Connection(context, several.table, options).resumed());
  });
}

TEST_CASE("Sessions: a context keeps as many as it may, and the oldest go first", "[tls]") {
  const auto context = ServerContext::create({}, 3).value();
  const SniTable table(certificate_named("fallback"));
  for (const int version : kBothVersions) {
    CAPTURE(version);
    const auto connected = [&](SSL_SESSION* session) {
      ClientOptions options{
          .server_name = "a.test", .min_version = version, .max_version = version
      };
      options.session = session;
      return std::make_unique<Connection>(*context, table, options);
    };
    std::array<SessionPtr, 4> sessions;
    for (SessionPtr& session : sessions) session = connected(nullptr)->close_and_take_session();
    CHECK(context->sessions() <= 3);
    CHECK(connected(sessions[3].get())->resumed());
    CHECK_FALSE(connected(sessions[0].get())->resumed());
  }
}

TEST_CASE("sessions_within: a share of the memory for all contexts, some in any case", "[tls]") {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  CHECK(sessions_within(0, 4) == kMostSessions);
  CHECK(sessions_within(kMiB, 1) == kLeastSessions);
  CHECK(sessions_within(64 * 1024 * kMiB, 4) == kMostSessions);
  const std::size_t of_two = sessions_within(256 * kMiB, 2);
  CHECK(of_two > 5000);
  CHECK(of_two < 5600);  // 6.4 MiB
  CHECK(sessions_within(256 * kMiB, 4) == of_two / 2);
  CHECK(sessions_within(256 * kMiB, 0) > of_two);
}

TEST_CASE("Sessions: what nobody has made is nowhere", "[tls]") {
  const auto context = ServerContext::create({.index = 0, .count = 2}).value();
  CHECK(context->copy_of({.id = {}, .version = TLS1_2_VERSION}) == nullptr);
  CHECK(context->copy_of({.id = {0, 0, 1}, .version = TLS1_3_VERSION}) == nullptr);
  context->keep(nullptr);
}

/// What the server knows the session of a finished connection by.
std::string session_id_of(const SSL* ssl) {
  unsigned int size = 0;
  const unsigned char* id = SSL_SESSION_get_id(SSL_get_session(ssl), &size);
  return {id, id + size};
}

TEST_CASE("Sessions: each has an ID of its own, which says who has made it", "[tls]") {
  const auto context = ServerContext::create({.index = 0x0102, .count = 0x0200}).value();
  const SniTable table(certificate_named("fallback"));
  std::set<std::string> seen;
  std::set<std::string> processes;
  constexpr int kConnections = 80;  // more than are drawn at once
  for (int i = 0; i < kConnections; ++i) {
    const Connection connection(*context, table, {.max_version = TLS1_2_VERSION});
    REQUIRE(connection.established());
    const std::string id = session_id_of(connection.server());
    CHECK(id.size() == SessionKey::kIdBytes);
    CHECK(id == session_id_of(connection.client()));
    CHECK(id.ends_with("\x01\x02"));
    // OpenSSL's hash of it: sessions must not share one, or the cache is a list.
    seen.insert(id.substr(0, 4));
    processes.insert(id.substr(28, 2));
  }
  CHECK(seen.size() == kConnections);
  CHECK(processes.size() == 1);
}

}  // namespace
}  // namespace cppx::tls
