#include "controller/admission/own_certificate.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "controller/model/base64.h"
#include "tests/unit/controller/fake_api_server.h"
#include "tests/unit/controller/kube_support.h"
#include "tls/certificate.h"

namespace cppx::controller::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// An API server that has one Secret and one configuration, by the rules of optimistic locking.
struct Cluster {
  FakeReply answer(const FakeRequest& request) {
    if (before_answer) before_answer(request);
    const bool asks_secret = request.target.find("/secrets") != std::string::npos;
    if (asks_secret && forbid_secrets && request.method != "GET")
      return {.status = 403, .headers = {}, .body = "{}"};
    json& object = asks_secret ? secret : configuration;
    if (request.method == "GET") return reply(object);
    const json body = json::parse(request.body);
    if (request.method == "PATCH") {
      ++patches;
      configuration["webhooks"][0]["clientConfig"]["caBundle"] =
          body["webhooks"][0]["clientConfig"]["caBundle"];
      return reply(object);
    }
    const bool create = request.method == "POST";
    const bool conflict =
        create ? !object.is_null()
               : body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"];
    if (conflict) return {.status = 409, .headers = {}, .body = "{}"};
    put(body);
    return reply(object);
  }

  void put(json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version);
    secret = std::move(object);
  }

  static FakeReply reply(const json& object) {
    if (object.is_null()) return {.status = 404, .headers = {}, .body = "{}"};
    return {.status = 200, .headers = {}, .body = object.dump()};
  }

  [[nodiscard]] std::string told() const {
    return decode_base64(
               configuration["webhooks"][0]["clientConfig"].value("caBundle", std::string())
    )
        .value();
  }
  [[nodiscard]] std::string kept(const char* key) const {
    return decode_base64(secret["data"].value(key, std::string())).value();
  }

  json secret;
  json configuration = {
      {"webhooks",
       {{{"name", "w"}, {"clientConfig", {{"service", {{"namespace", "ns"}, {"name", "hook"}}}}}}}}
  };
  bool forbid_secrets = false;
  unsigned version = 0;
  unsigned patches = 0;
  std::function<void(const FakeRequest&)> before_answer;
};

struct Replica {
  Replica(Cluster& cluster, boost::asio::io_context& io)
      : server(io, [&cluster](const FakeRequest& request) { return cluster.answer(request); }),
        client(*ApiClient::create(io, plain_config(server.url()))),
        certificate(*client, options(), [this](const tls::PemPair& pair) {
          shown.push_back(pair);
        }) {}

  OwnCertificateOptions options() {
    OwnCertificateOptions out;
    out.service = {"ns", "hook"};
    out.configuration = "hooks";
    out.may_write = [this] { return leader; };
    return out;
  }

  bool leader = true;
  std::vector<tls::PemPair> shown;
  FakeApiServer server;
  std::unique_ptr<ApiClient> client;
  OwnCertificate certificate;
};

std::size_t count(const std::string& bundle) {
  std::size_t found = 0;
  for (auto at = bundle.find("BEGIN CERT"); at != std::string::npos;
       at = bundle.find("BEGIN CERT", at + 1))
    ++found;
  return found;
}

json secret_of(const tls::IssuedPem& issued) {
  return {
      {"metadata", {{"name", "hook-certificate"}}},
      {"data",
       {{"tls.crt", encode_base64(issued.pair.certificate)},
        {"tls.key", encode_base64(issued.pair.key)},
        {"ca.crt", encode_base64(issued.authority)}}}
  };
}

tls::IssuedPem issued(std::string name, std::chrono::hours lifetime) {
  return *tls::make_issued_pem(
      {.common_name = "x", .organization = {}, .dns_names = {std::move(name)}, .lifetime = lifetime}
  );
}

}  // namespace

TEST_CASE("OwnCertificate: made, kept, told and shown, and then left alone", "[controller]") {
  boost::asio::io_context io;
  Cluster cluster;
  Replica replica(cluster, io);
  REQUIRE(run_task(io, replica.certificate.look()));
  REQUIRE(replica.shown.size() == 1);
  CHECK(replica.shown[0].certificate == cluster.kept("tls.crt"));
  CHECK(cluster.kept("ca.crt") == cluster.told());
  CHECK(count(cluster.told()) == 1);
  CHECK(cluster.secret["type"] == "kubernetes.io/tls");
  const auto parsed = tls::Certificate::from_pem(cluster.kept("tls.crt"), cluster.kept("tls.key"));
  REQUIRE(parsed.has_value());
  CHECK((*parsed)->covers("hook.ns.svc"));
  REQUIRE(run_task(io, replica.certificate.look()));
  CHECK(replica.shown.size() == 1);
  CHECK(cluster.version == 1);
  CHECK(cluster.patches == 1);
}

TEST_CASE(
    "OwnCertificate: the replica that comes second takes what the first made", "[controller]"
) {
  boost::asio::io_context io;
  Cluster cluster;
  Replica first(cluster, io);
  Replica second(cluster, io);
  second.leader = false;
  // The first one creates the Secret between the second's look and its try.
  cluster.before_answer = [&](const FakeRequest& request) {
    if (request.method != "POST" || !cluster.secret.is_null()) return;
    cluster.before_answer = nullptr;
    cluster.put(secret_of(issued("hook.ns.svc", 24h * 365)));
  };
  const auto lost = run_task(io, second.certificate.look());
  REQUIRE(lost.has_error());
  CHECK(lost.error().code == Errc::kConflict);
  REQUIRE(run_task(io, first.certificate.look()));
  REQUIRE(run_task(io, second.certificate.look()));
  REQUIRE(second.shown.size() == 1);
  CHECK(second.shown[0].certificate == first.shown.at(0).certificate);
  CHECK(cluster.version == 1);
}

TEST_CASE(
    "OwnCertificate: replaced well before its end, both authorities known meanwhile", "[controller]"
) {
  boost::asio::io_context io;
  Cluster cluster;
  const auto old = issued("hook.ns.svc", 24h * 100);
  cluster.put(secret_of(old));
  Replica leader(cluster, io);
  Replica other(cluster, io);
  other.leader = false;
  // Who may not replace it goes on with it.
  const auto waits = run_task(io, other.certificate.look());
  CHECK(waits.has_error());
  REQUIRE(other.shown.size() == 1);
  CHECK(other.shown[0].certificate == old.pair.certificate);
  CHECK(cluster.version == 1);

  REQUIRE(run_task(io, leader.certificate.look()));
  CHECK(leader.shown.at(0).certificate == cluster.kept("tls.crt"));
  CHECK(cluster.kept("tls.crt") != old.pair.certificate);
  CHECK(count(cluster.told()) == 2);
  CHECK(cluster.told().find(old.authority) != std::string::npos);
  REQUIRE(run_task(io, other.certificate.look()));
  CHECK(other.shown.back().certificate == cluster.kept("tls.crt"));
}

TEST_CASE("OwnCertificate: a new one is shown only when its authority is known", "[controller]") {
  boost::asio::io_context io;
  Cluster cluster;
  Replica leader(cluster, io);
  Replica other(cluster, io);
  other.leader = false;
  REQUIRE(run_task(io, leader.certificate.look()));
  REQUIRE(run_task(io, other.certificate.look()));
  const auto first = other.shown.at(0).certificate;
  cluster.put(secret_of(issued("hook.ns.svc", 24h * 365)));
  CHECK(run_task(io, other.certificate.look()).has_error());
  CHECK(other.shown.back().certificate == first);
  REQUIRE(run_task(io, leader.certificate.look()));
  REQUIRE(run_task(io, other.certificate.look()));
  CHECK(other.shown.back().certificate == cluster.kept("tls.crt"));
}

TEST_CASE("OwnCertificate: what is in the Secret and cannot be used is replaced", "[controller]") {
  boost::asio::io_context io;
  Cluster cluster;
  auto broken = secret_of(issued("hook.ns.svc", 24h * 365));
  SECTION("for another name") { broken = secret_of(issued("other.ns.svc", 24h * 365)); }
  SECTION("no key") { broken["data"].erase("tls.key"); }
  SECTION("no authority") { broken["data"].erase("ca.crt"); }
  SECTION("no base64") { broken["data"]["tls.crt"] = "%"; }
  SECTION("no data") { broken.erase("data"); }
  SECTION("of another type") { broken["data"] = 7; }
  cluster.put(broken);
  Replica replica(cluster, io);
  REQUIRE(run_task(io, replica.certificate.look()));
  CHECK(cluster.version == 2);
  CHECK(replica.shown.at(0).certificate == cluster.kept("tls.crt"));
}

TEST_CASE("OwnCertificate: without the right to keep it, it lives in memory", "[controller]") {
  boost::asio::io_context io;
  Cluster cluster;
  cluster.forbid_secrets = true;
  Replica replica(cluster, io);
  REQUIRE(run_task(io, replica.certificate.look()));
  REQUIRE(run_task(io, replica.certificate.look()));
  CHECK(replica.shown.size() == 1);
  CHECK(cluster.secret.is_null());
  CHECK(count(cluster.told()) == 1);
}

TEST_CASE(
    "OwnCertificate: a configuration that is not there is said, and something is shown",
    "[controller]"
) {
  boost::asio::io_context io;
  Cluster cluster;
  cluster.configuration = nullptr;
  Replica replica(cluster, io);
  const auto looked = run_task(io, replica.certificate.look());
  REQUIRE(looked.has_error());
  CHECK(looked.error().code == Errc::kNotFound);
  CHECK(replica.shown.size() == 1);
}

TEST_CASE("encode_base64: is what decode_base64 reads", "[controller]") {
  CHECK(encode_base64("").empty());
  CHECK(encode_base64("f") == "Zg==");
  CHECK(encode_base64("fo") == "Zm8=");
  CHECK(encode_base64("foo") == "Zm9v");
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  CHECK(decode_base64(encode_base64(all)) == all);
}

}  // namespace cppx::controller::test
