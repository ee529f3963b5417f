#include "proxy/worker/session_exchange.h"

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/proxy/turn_until.h"
#include "tls/server_context.h"

namespace cppx::proxy {
namespace {

using Clock = std::chrono::steady_clock;

/// One worker's, and what it has told others and not been answered yet.
struct Exchange {
  struct Message {
    std::uint32_t to;
    std::function<void(SessionExchange&)> work;
  };

  explicit Exchange(std::uint32_t index)
      : tls(tls::ServerContext::create({.index = index, .count = 2}).value()),
        sessions(index, wheel, *tls, [this](std::uint32_t to, auto work) {
          told.push_back({to, std::move(work)});
        }) {}

  void fetch(const tls::SessionKey& key, std::uint32_t maker) {
    spawn(sessions.fetch({.key = key, .maker = maker}), [this] { ++ended; });
  }

  EventLoop loop;
  TimerWheel wheel{loop};
  std::unique_ptr<tls::ServerContext> tls;
  std::vector<Message> told;
  SessionExchange sessions;
  int ended = 0;
};

constexpr tls::SessionKey kKey{.id = {0, 1, 2, 3}, .version = TLS1_2_VERSION};

tls::SharedSession made() {
  tls::SharedSession session(SSL_SESSION_new(), SSL_SESSION_free);
  SSL_SESSION_set_protocol_version(session.get(), kKey.version);
  SSL_SESSION_set1_id(session.get(), kKey.id.data(), kKey.id.size());
  return session;
}

}  // namespace

TEST_CASE("SessionExchange: a session comes from the worker that has it", "[proxy]") {
  Exchange asking(0);
  Exchange maker(1);
  maker.tls->keep(made());
  asking.fetch(kKey, 1);
  CHECK(asking.ended == 0);
  REQUIRE(asking.told.size() == 1);
  CHECK(asking.told[0].to == 1);
  asking.told[0].work(maker.sessions);
  REQUIRE(maker.told.size() == 1);
  CHECK(maker.told[0].to == 0);
  CHECK(asking.tls->copy_of(kKey) == nullptr);
  maker.told[0].work(asking.sessions);
  CHECK(asking.ended == 1);
  CHECK(asking.tls->copy_of(kKey) != nullptr);
  CHECK(maker.tls->copy_of(kKey) != nullptr);
}

TEST_CASE("SessionExchange: a worker that has none says so at once", "[proxy]") {
  Exchange asking(0);
  Exchange maker(1);
  asking.fetch(kKey, 1);
  asking.told.at(0).work(maker.sessions);
  maker.told.at(0).work(asking.sessions);
  CHECK(asking.ended == 1);
  CHECK(asking.tls->copy_of(kKey) == nullptr);
}

TEST_CASE("SessionExchange: who hears nothing goes on, and a late answer is nobody's", "[proxy]") {
  Exchange asking(0);
  Exchange maker(1);
  maker.tls->keep(made());
  const auto start = Clock::now();
  asking.fetch(kKey, 1);
  asking.told.at(0).work(maker.sessions);
  REQUIRE(test::turn_until(asking.loop, [&] { return asking.ended == 1; }));
  CHECK(Clock::now() - start >= SessionExchange::kPatience);
  maker.told.at(0).work(asking.sessions);
  CHECK(asking.ended == 1);
  CHECK(asking.tls->copy_of(kKey) == nullptr);
  // Who is that busy is left alone, and others are not.
  asking.fetch(kKey, 1);
  CHECK(asking.ended == 2);
  CHECK(asking.told.size() == 1);
  asking.fetch(kKey, 2);
  CHECK(asking.ended == 2);
  CHECK(asking.told.size() == 2);
  REQUIRE(test::turn_until(asking.loop, [&] { return asking.ended == 3; }));
  // What was asked too long ago is not answered.
  asking.told.at(1).work(maker.sessions);
  CHECK(maker.told.size() == 1);
}

TEST_CASE("SessionExchange: answers find their questions in any order", "[proxy]") {
  Exchange asking(0);
  Exchange maker(1);
  for (int i = 0; i < 3; ++i) asking.fetch(kKey, 1);
  for (auto& question : asking.told) question.work(maker.sessions);
  REQUIRE(maker.told.size() == 3);
  for (int i = 2; i >= 0; --i) {
    maker.told[static_cast<std::size_t>(i)].work(asking.sessions);
    CHECK(asking.ended == 3 - i);
  }
}

}  // namespace cppx::proxy
