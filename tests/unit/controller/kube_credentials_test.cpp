#include <chrono>

#include <catch2/catch_test_macros.hpp>

#include "controller/kube/credentials.h"
#include "controller/kube/tls_context.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;

const Credentials::Time kStart{1000s};

TEST_CASE(
    "Credentials: a token file is read again when it has changed, or once a minute", "[controller]"
) {
  const TemporaryFolder folder;
  KubeConfig config = plain_config("http://127.0.0.1:1");
  config.token_file = folder.write("token", "first\n");
  auto credentials = Credentials::open(config, kStart);
  REQUIRE(credentials);
  CHECK(credentials->token(kStart) == "first");
  folder.write("token", "second\n");
  CHECK(credentials->token(kStart + 1s) == "second");
  SECTION("a new file behind the same name") {
    std::filesystem::rename(folder.write("next", "thirds\n"), config.token_file);
    CHECK(credentials->token(kStart + 2s) == "thirds");
  }
  SECTION("at once after the server refused it, whatever the file's times say") {
    credentials->expire();
    CHECK(credentials->token(kStart + 2s) == "second");
  }
  SECTION("a clock that goes on by years") {
    CHECK(credentials->token(kStart + std::chrono::years(30)) == "second");
  }
  SECTION("the old one stays when the file is gone or empty") {
    folder.write("token", " \n");
    CHECK(credentials->token(kStart + 200s) == "second");
    std::filesystem::remove(config.token_file);
    CHECK(credentials->token(kStart + 300s) == "second");
  }
}

TEST_CASE("Credentials: files that are missing or empty at the start are errors", "[controller]") {
  const TemporaryFolder folder;
  KubeConfig config = plain_config("https://127.0.0.1:1");
  config.token_file = folder.path() / "token";
  const std::string file = config.token_file.string();
  CHECK(
      Credentials::open(config, kStart).error().detail ==
      "token file " + file + ": No such file or directory"
  );
  folder.write("token", "\n");
  CHECK(Credentials::open(config, kStart).error().detail == "token file " + file + ": is empty");
}

TEST_CASE("Credentials: what is wrong with certificates is said with its key", "[controller]") {
  const TemporaryFolder folder;
  KubeConfig config = plain_config("https://127.0.0.1:1");
  config.certificate_authority = {test_pki().ca, {}, "CA"};
  config.client_certificate = {test_pki().client_certificate, {}, "CERT"};
  config.client_key = {test_pki().client_key, {}, "KEY"};
  REQUIRE(Credentials::open(config, kStart));

  const auto error = [&config] { return Credentials::open(config, kStart).error().detail; };
  SECTION("an authority that is no PEM") {
    config.certificate_authority.text = "nonsense";
    CHECK(error() == "CA: holds no PEM certificate");
  }
  SECTION("an authority file that is missing") {
    config.certificate_authority = {{}, folder.path() / "ca.crt", "CA"};
    CHECK(error() == "CA: " + folder.path().string() + "/ca.crt: No such file or directory");
  }
  SECTION("a certificate that is no PEM") {
    config.client_certificate.text = "nonsense";
    CHECK(error().starts_with("CERT: not a PEM certificate"));
  }
  SECTION("a key that is no PEM") {
    config.client_key.text = "nonsense";
    CHECK(error().starts_with("KEY: not a usable PEM key"));
  }
  SECTION("a key of another certificate") {
    config.client_key.text = test_pki().server_key;
    CHECK(error().starts_with("KEY: "));
  }
}

TEST_CASE(
    "Credentials: the TLS context follows rotated files and survives bad ones", "[controller]"
) {
  const TemporaryFolder folder;
  KubeConfig config = plain_config("https://127.0.0.1:1");
  config.certificate_authority = {{}, folder.write("ca.crt", test_pki().ca), "CA"};
  auto credentials = Credentials::open(config, kStart);
  REQUIRE(credentials);
  const auto first = credentials->tls_context(kStart);
  REQUIRE(first);
  CHECK(credentials->tls_context(kStart + 59s) == first);
  const auto second = credentials->tls_context(kStart + 60s);
  CHECK(second != first);
  folder.write("ca.crt", "nonsense");
  CHECK(credentials->tls_context(kStart + 200s) == second);
}

}  // namespace
}  // namespace cppx::controller::test
