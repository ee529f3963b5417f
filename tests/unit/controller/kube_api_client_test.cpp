
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <catch2/catch_test_macros.hpp>

#include "controller/kube/api_client.h"
#include "controller/kube/task_group.h"
#include "tests/unit/controller/fake_api_server.h"
#include "tests/unit/controller/fake_name_server.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

using End = FakeReply::End;

FakeReply json_reply(const std::string& body) { return FakeReply{200, {}, body}; }

std::shared_ptr<boost::asio::ssl::context> server_tls(bool ask_for_client_certificate = false) {
  namespace ssl = boost::asio::ssl;
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  const TestPki& pki = test_pki();
  context->use_certificate_chain(boost::asio::buffer(pki.server_certificate));
  context->use_private_key(boost::asio::buffer(pki.server_key), ssl::context::pem);
  if (ask_for_client_certificate) {
    context->add_certificate_authority(boost::asio::buffer(pki.ca));
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  }
  return context;
}

ApiClientOptions given_up_after(std::chrono::milliseconds request_timeout) {
  ApiClientOptions options;
  options.request_timeout = request_timeout;
  return options;
}

/// A server that answers by `reply`, and a client of it.
struct ClientSetup {
  explicit ClientSetup(
      std::shared_ptr<boost::asio::ssl::context> tls = nullptr, ApiClientOptions given = {}
  )
      : server(
            io, [this](const FakeRequest& request) { return reply(request); }, std::move(tls)
        ),
        config(plain_config(server.url())),
        options(given) {
    config.certificate_authority.text = test_pki().ca;
    config.certificate_authority.key = "CA";
  }

  ApiClient& client() {
    if (!client_) client_ = ApiClient::create(io, config, options).value();
    return *client_;
  }
  Result<json> get(std::string target = "/x") {
    return run_task(io, client().get(std::move(target)));
  }

  boost::asio::io_context io{1};
  FakeApiServer::Handler reply = [](const FakeRequest&) { return json_reply("{\"a\":1}"); };
  FakeApiServer server;
  KubeConfig config;
  ApiClientOptions options;

 private:
  std::unique_ptr<ApiClient> client_;
};

TEST_CASE("ApiClient: a request has everything a server needs", "[controller]") {
  ClientSetup test;
  test.config.token = "abc";
  test.config.server.path = "/prefix";
  const auto result = test.get("/api/v1/nodes?limit=5");
  REQUIRE(result);
  CHECK((*result)["a"] == 1);
  const FakeRequest& request = test.server.requests.at(0);
  CHECK(request.method == "GET");
  CHECK(request.target == "/prefix/api/v1/nodes?limit=5");
  CHECK(request.headers.at("host") == "127.0.0.1:" + std::to_string(test.server.port()));
  CHECK(request.headers.at("authorization") == "Bearer abc");
  CHECK(request.headers.at("accept") == "application/json");
  CHECK(request.headers.at("accept-encoding") == "gzip");
  CHECK(request.headers.at("user-agent").starts_with("cppx/"));
}

TEST_CASE("ApiClient: every method with its body", "[controller]") {
  ClientSetup test;
  REQUIRE(run_task(test.io, test.client().post("/p", {{"k", 1}})));
  REQUIRE(run_task(test.io, test.client().put("/p", {{"k", 2}})));
  REQUIRE(run_task(test.io, test.client().patch("/p", {{"k", 3}}, PatchType::kMerge)));
  REQUIRE(
      run_task(test.io, test.client().patch("/p/status", {{"k", 4}}, PatchType::kStrategicMerge))
  );
  REQUIRE(run_task(test.io, test.client().remove("/p", {{"gracePeriodSeconds", 0}})));
  REQUIRE(run_task(test.io, test.client().remove("/p", nullptr)));
  const auto& requests = test.server.requests;
  REQUIRE(requests.size() == 6);
  const std::vector<std::string> methods = {"POST", "PUT", "PATCH", "PATCH", "DELETE", "DELETE"};
  const std::vector<std::string> bodies = {
      "{\"k\":1}", "{\"k\":2}", "{\"k\":3}", "{\"k\":4}", "{\"gracePeriodSeconds\":0}", ""
  };
  for (std::size_t i = 0; i < requests.size(); ++i) {
    CHECK(requests[i].method == methods[i]);
    CHECK(requests[i].body == bodies[i]);
  }
  CHECK(requests[1].headers.at("content-type") == "application/json");
  CHECK(requests[2].headers.at("content-type") == "application/merge-patch+json");
  CHECK(requests[3].headers.at("content-type") == "application/strategic-merge-patch+json");
  CHECK(test.server.connections == 1);
}

TEST_CASE("ApiClient: a reused connection that the server closed is no error", "[controller]") {
  ClientSetup test;
  REQUIRE(test.get());
  test.server.break_connections();
  test.io.run_for(5ms);
  REQUIRE(test.get());
  CHECK(test.server.connections == 2);
  // Not so for a POST, which may have been carried out.
  test.server.break_connections();
  test.io.run_for(5ms);
  const auto posted = run_task(test.io, test.client().post("/p", json::object()));
  REQUIRE_FALSE(posted);
  CHECK(posted.error().code == Errc::kClosed);
}

TEST_CASE("ApiClient: Connection: close is kept to", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) {
    return FakeReply{200, {{"Connection", "close"}}, "{}", End::kClose};
  };
  REQUIRE(test.get());
  REQUIRE(test.get());
  CHECK(test.server.connections == 2);
}

TEST_CASE("ApiClient: statuses become errors with the server's message", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) {
    return FakeReply{409, {}, R"({"kind":"Status","message":"the object has been modified"})"};
  };
  const auto result = test.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::kConflict);
  CHECK(result.error().detail == "409 Conflict: the object has been modified");

  test.reply = [](const FakeRequest&) { return FakeReply{502, {}, "<html>bad gateway</html>"}; };
  CHECK(test.get().error().detail == "502 Bad Gateway");
  test.reply = [](const FakeRequest&) { return json_reply("{\"cut\":"); };
  CHECK(test.get().error().code == Errc::kParse);
}

TEST_CASE("ApiClient: Retry-After is passed on", "[controller]") {
  ClientSetup test;
  ApiRequest request;
  request.target = "/x";
  test.reply = [](const FakeRequest&) { return FakeReply{429, {{"Retry-After", "7"}}, "{}"}; };
  auto response = run_task(test.io, test.client().send(request));
  REQUIRE(response);
  CHECK(response->status == 429);
  CHECK(response->retry_after == 7s);
  test.reply = [](const FakeRequest&) {
    return FakeReply{503, {{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"}}, "{}"};
  };
  response = run_task(test.io, test.client().send(request));
  REQUIRE(response);
  CHECK_FALSE(response->retry_after);
}

TEST_CASE("ApiClient: gzip bodies, whole or in chunks", "[controller]") {
  ClientSetup test;
  const std::string text = json{{"big", std::string(50'000, 'x')}}.dump();
  for (const bool chunked : {false, true}) {
    test.reply = [&](const FakeRequest&) {
      return FakeReply{200, {{"Content-Encoding", "gzip"}}, gzip(text), End::kKeepAlive, chunked};
    };
    const auto result = test.get();
    REQUIRE(result);
    CHECK((*result)["big"].get<std::string>().size() == 50'000);
  }
  test.reply = [&](const FakeRequest&) {
    return FakeReply{200, {{"Content-Encoding", "gzip"}}, gzip(text).substr(0, 40)};
  };
  CHECK(test.get().error().detail == "the gzip body is cut");
}

TEST_CASE("ApiClient: bodies are limited", "[controller]") {
  ClientSetup test;
  test.options.body_limit_bytes = 100'000;
  const std::string text = json{{"big", std::string(200'000, 'x')}}.dump();
  test.reply = [&](const FakeRequest&) { return json_reply(text); };
  CHECK(test.get().error().code == Errc::kTooLarge);
  test.reply = [&](const FakeRequest&) {
    return FakeReply{200, {{"Content-Encoding", "gzip"}}, gzip(text)};
  };
  CHECK(test.get().error().code == Errc::kTooLarge);
}

TEST_CASE("ApiClient: a server that does not answer is given up", "[controller]") {
  ClientSetup test(nullptr, given_up_after(150ms));
  test.reply = [](const FakeRequest&) { return FakeReply{200, {}, "", End::kSilent}; };
  auto result = test.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::kTimeout);
  CHECK(result.error().detail == "read response: timed out");
  // A body that never ends.
  test.reply = [](const FakeRequest&) { return FakeReply{200, {}, "{", End::kHold}; };
  result = test.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::kTimeout);
}

TEST_CASE("ApiClient: answers that are cut or no HTTP are told", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) {
    return FakeReply{200, {{"Content-Length", "50"}}, "{}", End::kClose};
  };
  CHECK(test.get().error().code == Errc::kProtocol);
  test.reply = [](const FakeRequest&) { return FakeReply{200, {}, "{", End::kReset, true}; };
  CHECK(test.get().error().code == Errc::kClosed);
  test.server.stop();
  CHECK(test.get().error().code == Errc::kUnavailable);
}

TEST_CASE("ApiClient: a refused token is read again, and the request repeated", "[controller]") {
  const TemporaryFolder folder;
  ClientSetup test;
  test.config.token_file = folder.write("token", "old");
  std::string good = "new";
  test.reply = [&](const FakeRequest& request) {
    // Written between the question and the answer.
    folder.write("token", "new");
    const bool accepted = request.headers.at("authorization") == "Bearer " + good;
    return FakeReply{accepted ? 200U : 401U, {}, "{}", End::kKeepAlive};
  };
  SECTION("a plain request") { CHECK(test.get()); }
  SECTION("a watch") {
    const auto opening = run_task(test.io, test.client().watch("/w"));
    REQUIRE(opening);
    CHECK(opening->response.status == 200);
  }
  SECTION("not when there is no newer one") {
    good = "none of them";
    const auto refused = test.get();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::kUnauthorized);
  }
  CHECK(test.server.requests.size() == 2);
}

TEST_CASE("ApiClient: a rotated token is used by the next request", "[controller]") {
  const TemporaryFolder folder;
  ClientSetup test;
  test.config.token_file = folder.write("token", "first");
  REQUIRE(test.get());
  std::filesystem::rename(folder.write("next", "second"), test.config.token_file);
  REQUIRE(test.get());
  CHECK(test.server.requests[0].headers.at("authorization") == "Bearer first");
  CHECK(test.server.requests[1].headers.at("authorization") == "Bearer second");
}

TEST_CASE("ApiClient: a slow answer is not a dead one", "[controller]") {
  ClientSetup test(nullptr, given_up_after(2s));
  test.reply = [](const FakeRequest&) { return FakeReply{200, {}, "{\"a\":", End::kHold}; };
  std::optional<Result<json>> result;
  boost::asio::co_spawn(
      test.io.get_executor(), test.client().get("/x"),
      [&result](const std::exception_ptr&, Result<json> value) { result.emplace(std::move(value)); }
  );
  // In all longer than the timeout, but never without a byte for as long as that.
  for (int i = 0; i < 4; ++i) {
    test.io.run_for(600ms);
    test.server.push("/x", i < 3 ? " " : "1}");
  }
  test.server.end_held();
  REQUIRE(run_until(test.io, [&] { return result.has_value(); }));
  REQUIRE(*result);
  CHECK((**result)["a"] == 1);
}

TEST_CASE("ApiClient: lines of a compressed watch", "[controller]") {
  ClientSetup test;
  const std::string packed = gzip("{\"n\":1}\n{\"n\":2}\n");
  test.reply = [&](const FakeRequest&) {
    return FakeReply{200, {{"Content-Encoding", "gzip"}}, packed.substr(0, 12), End::kHold};
  };
  auto opening = run_task(test.io, test.client().watch("/w"));
  REQUIRE(opening);
  REQUIRE(opening->stream != nullptr);
  const auto next = [&](std::chrono::milliseconds patience) {
    return run_task(test.io, opening->stream->next(std::chrono::steady_clock::now() + patience));
  };
  test.server.push("/w", packed.substr(12));
  CHECK(next(5s).value() == "{\"n\":1}");
  CHECK(next(5s).value() == "{\"n\":2}");
  test.server.push("/w", "no gzip");
  CHECK(next(5s).error().code == Errc::kParse);
}

TEST_CASE("ApiClient: TLS with the right authority and name", "[controller]") {
  ClientSetup test(server_tls());
  REQUIRE(test.get());
  REQUIRE(test.get());
  CHECK(test.server.connections == 1);
}

TEST_CASE("ApiClient: TLS refuses what it cannot verify", "[controller]") {
  ClientSetup test(server_tls());
  SECTION("another name") {
    test.config.tls_server_name = "kubernetes";
    const auto result = test.get();
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Errc::kTls);
    CHECK(result.error().detail == "TLS handshake with kubernetes: certificate: hostname mismatch");
  }
  SECTION("another authority") {
    test.config.certificate_authority.text = test_pki().client_certificate;
    CHECK(test.get().error().code == Errc::kTls);
  }
  SECTION("the system's authorities") {
    test.config.certificate_authority = {};
    CHECK(test.get().error().code == Errc::kTls);
  }
  SECTION("but not when told to skip that") {
    test.config.certificate_authority = {};
    test.config.insecure_skip_tls_verify = true;
    CHECK(test.get());
  }
  SECTION("nor for another name that the certificate has") {
    test.config.tls_server_name = "localhost";
    CHECK(test.get());
  }
}

TEST_CASE("ApiClient: a client certificate is shown", "[controller]") {
  ClientSetup test(server_tls(true));
  SECTION("with") {
    test.config.client_certificate = {test_pki().client_certificate, {}, "CERT"};
    test.config.client_key = {test_pki().client_key, {}, "KEY"};
    CHECK(test.get());
  }
  SECTION("without") { CHECK_FALSE(test.get()); }
}

TEST_CASE("ApiClient: TLS against a server that speaks plain HTTP fails", "[controller]") {
  ClientSetup test;
  test.config.server.tls = true;
  const auto result = test.get();
  REQUIRE_FALSE(result);
  CHECK(result.error().detail == "TLS handshake with 127.0.0.1: the server closed the connection");
}

TEST_CASE("ApiClient: host names are resolved", "[controller]") {
  ClientSetup test;
  test.config.server.host = "localhost";
  CHECK(test.get());
}

Task<void> ask_into(ApiClient& client, std::optional<Result<json>>& answer) {
  auto result = co_await client.get("/x");
  answer.emplace(std::move(result));
}

TEST_CASE("ApiClient: calls that were cancelled leave no look-up behind", "[controller]") {
  boost::asio::io_context io{1};
  // Read by nobody.
  const boost::asio::ip::udp::socket mute(io, {boost::asio::ip::address_v4::loopback(), 0});
  ApiClientOptions options;
  options.resolver.servers = "127.0.0.1:" + std::to_string(mute.local_endpoint().port());
  const auto client = ApiClient::create(io, plain_config("http://api.example"), options).value();
  std::optional<Result<json>> first;
  std::optional<Result<json>> second;
  TaskGroup tasks(io.get_executor());
  tasks.spawn(ask_into(*client, first));
  tasks.spawn(ask_into(*client, second));
  REQUIRE(run_until(io, [&] { return mute.available() > 0; }));
  tasks.cancel();
  // Ends early when nothing is left to do.
  io.run_for(5s);
  CHECK(io.stopped());
}

TEST_CASE("ApiClient: a call that was cancelled leaves the look-ups of others", "[controller]") {
  ClientSetup test;
  FakeNameServer names(test.io);
  names.records["api.example"] = {.answer = NameRecord::Answer::kSilence};
  test.options.resolver = {.servers = names.address(), .timeout = 50ms, .tries = 6};
  test.config.server.host = "api.example";
  std::optional<Result<json>> cancelled;
  std::optional<Result<json>> answered;
  TaskGroup impatient(test.io.get_executor());
  TaskGroup patient(test.io.get_executor());
  impatient.spawn(ask_into(test.client(), cancelled));
  patient.spawn(ask_into(test.client(), answered));
  REQUIRE(run_until(test.io, [&] { return names.queries["api.example"] >= 4; }));
  impatient.cancel();
  REQUIRE(run_until(test.io, [&] { return impatient.empty(); }));
  names.records["api.example"] = {.ipv4 = {"127.0.0.1"}};
  REQUIRE(run_until(test.io, [&] { return answered.has_value(); }));
  CHECK(*answered);
}

TEST_CASE("ApiClient: lines of a watch", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) {
    return FakeReply{200, {}, "{\"n\":1}\n{\"n\"", End::kHold};
  };
  auto opening = run_task(test.io, test.client().watch("/w?watch=1"));
  REQUIRE(opening);
  REQUIRE(opening->stream);
  CHECK(test.server.requests[0].headers.at("accept-encoding") == "gzip");
  const auto next = [&](std::chrono::milliseconds patience = 5s) {
    return run_task(test.io, opening->stream->next(std::chrono::steady_clock::now() + patience));
  };
  CHECK(next().value() == "{\"n\":1}");
  test.server.push("/w", ":2}\n");
  CHECK(next().value() == "{\"n\":2}");
  // A few mebibytes in one object.
  const std::string big(3'000'000, 'z');
  test.server.push("/w", big + "\n");
  const auto line = next();
  REQUIRE(line);
  CHECK(line->value_or("").size() == big.size());
  CHECK(next(50ms).error().code == Errc::kTimeout);
}

TEST_CASE("ApiClient: the end of a watch, regular or not", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) { return FakeReply{200, {}, "a\nhalf", End::kHold}; };
  auto opening = run_task(test.io, test.client().watch("/w"));
  REQUIRE(opening);
  const auto next = [&] {
    return run_task(test.io, opening->stream->next(std::chrono::steady_clock::now() + 5s));
  };
  CHECK(next().value() == "a");
  SECTION("regular") {
    test.server.end_held();
    const auto end = next();
    REQUIRE(end);
    CHECK_FALSE(end->has_value());
  }
  SECTION("cut") {
    test.server.break_connections();
    CHECK(next().error().code == Errc::kClosed);
  }
}

TEST_CASE("ApiClient: a refused watch gives the server's answer", "[controller]") {
  ClientSetup test;
  test.reply = [](const FakeRequest&) {
    return FakeReply{410, {{"Retry-After", "1"}}, R"({"message":"too old"})"};
  };
  const auto opening = run_task(test.io, test.client().watch("/w"));
  REQUIRE(opening);
  CHECK_FALSE(opening->stream);
  CHECK(opening->response.status == 410);
  CHECK(opening->response.retry_after == 1s);
  CHECK(to_json(opening->response).error().detail == "410 Gone: too old");
}

}  // namespace
}  // namespace cppx::controller::test
