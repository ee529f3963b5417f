#include "controller/translate/tls_hosts.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "base/text.h"
#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "controller/translate/translate.h"
#include "routing/snapshot.h"
#include "tests/unit/controller/translate_support.h"
#include "tests/unit/support/allocation_count.h"
#include "tls/certificate.h"
#include "tls/self_signed.h"
#include "tls/sni_table.h"

namespace cppx::controller {
namespace {

using CertificatePtr = std::shared_ptr<const tls::Certificate>;

tls::PemPair pem_for(const std::vector<std::string>& names) {
  auto made = tls::make_self_signed_pem({.common_name = names.front(), .dns_names = names});
  REQUIRE(made.has_value());
  return *std::move(made);
}

Secret secret_of(std::string name, const tls::PemPair& pem) {
  Secret out;
  out.meta.key = {.ns = "default", .name = std::move(name)};
  out.type = "kubernetes.io/tls";
  out.data = {{"tls.crt", pem.certificate}, {"tls.key", pem.key}};
  return out;
}

Ingress ingress_for(const std::vector<std::string>& hosts) {
  Ingress out;
  out.meta.key = {.ns = "default", .name = "web"};
  out.ingress_class_name = "cppx";
  for (const std::string& host : hosts) out.rules.push_back({.host = host, .paths = {}});
  return out;
}

Store store_with_class() {
  IngressClass ours;
  ours.meta.key.name = "cppx";
  ours.controller = "cppx.io/ingress-controller";
  Store store;
  store.apply(ours);
  return store;
}

Translation translate_now(Translator& translator, const Store& store) {
  return translator.translate({
      .store = store,
      .names = {},
      .now = std::chrono::system_clock::now(),
      .self_made_certificate = test::self_made_certificate(),
  });
}

std::size_t count_of(const Translation& translation, std::string_view reason) {
  std::size_t count = 0;
  for (const Diagnostic& diagnostic : *translation.diagnostics)
    if (diagnostic.reason == reason) ++count;
  return count;
}

// What docs/configuration.md says, gone through entry by entry. Null: the default certificate.
CertificatePtr expected_for(
    const Ingress& ingress, const std::string& host,
    const std::map<std::string, CertificatePtr>& certificates
) {
  const auto certificate_of = [&](const IngressTls& entry) {
    const auto it = certificates.find(entry.secret_name);
    return it != certificates.end() && it->second->covers(host) ? it->second : nullptr;
  };
  for (const IngressTls& entry : ingress.tls)
    for (const std::string& listed : entry.hosts)
      if (iequals(listed, host)) return certificate_of(entry);
  for (const IngressTls& entry : ingress.tls)
    if (auto certificate = certificate_of(entry)) return certificate;
  return nullptr;
}

/// "host-000042.a-domain-with-a-name-of-some-length.test": no short string of the library.
std::string long_name(std::string_view start, std::size_t number) {
  return fmt::format("{}-{:06}.a-domain-with-a-name-of-some-length.test", start, number);
}

Ingress large_ingress(std::size_t size, std::string_view start) {
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i < size; ++i) hosts.push_back(long_name(start, i));
  return ingress_for(hosts);
}

std::size_t allocations_of(const std::function<void()>& work) {
  const auto before = cppx::test::allocation_count();
  work();
  return cppx::test::allocation_count() - before;
}

}  // namespace

TEST_CASE(
    "TLS hosts: the first entry that lists a host, else the first that covers it", "[controller]"
) {
  const std::vector<std::vector<std::string>> names{
      {"a.test"}, {"*.test", "b.test"}, {"*.a.test"}, {"b.test", "x.a.test"}, {"*.a.test", "a.test"}
  };
  static const auto kPems = [&] {
    std::vector<tls::PemPair> out;
    for (const auto& one : names) out.push_back(pem_for(one));
    return out;
  }();
  const std::array hosts{"a.test",   "b.test",   "c.test", "x.a.test",
                         "y.a.test", "*.a.test", "*.test"};
  const auto seed = GENERATE(range(std::uint32_t{1}, std::uint32_t{201}));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };

  Store store = store_with_class();
  std::map<std::string, CertificatePtr> certificates;
  for (std::size_t i = 0; i < kPems.size(); ++i) {
    if (below(5) == 0) continue;
    const std::string name = fmt::format("t{}", i);
    store.apply(secret_of(name, kPems[i]));
    auto certificate = tls::Certificate::from_pem(kPems[i].certificate, kPems[i].key);
    REQUIRE(certificate.has_value());
    certificates[name] = *std::move(certificate);
  }
  std::vector<std::string> of_ingress;
  for (const char* host : hosts)
    if (below(4) != 0) of_ingress.emplace_back(host);
  Ingress ingress = ingress_for(of_ingress);
  for (std::size_t i = 1 + below(6); i > 0; --i) {
    IngressTls entry;
    for (std::size_t j = below(3); j > 0; --j)
      entry.hosts.emplace_back(below(5) == 0 ? "A.Test" : hosts.at(below(hosts.size())));
    if (below(6) != 0) entry.secret_name = fmt::format("t{}", below(kPems.size() + 1));
    ingress.tls.push_back(std::move(entry));
  }
  store.apply(ingress);

  Translator translator({});
  const auto translation = translate_now(translator, store);
  const auto* https = translation.snapshot->find_listener(routing::kHttpsListener);
  REQUIRE(https != nullptr);
  const auto entries = https->certificates->entries();
  const std::map<std::string, CertificatePtr> shown(entries.begin(), entries.end());
  for (const std::string& host : of_ingress) {
    CAPTURE(host);
    const auto expected = expected_for(ingress, host, certificates);
    CHECK(
        shown.at(host)->fingerprint() ==
        (expected == nullptr ? test::self_made_certificate() : expected)->fingerprint()
    );
  }
}

// A host for each entry, or an entry for each host, is a square that one tenant can make.
TEST_CASE("TLS hosts: twice the hosts and entries take twice the work", "[controller]") {
  const auto cost = [](std::size_t size, const std::function<void(Store&, std::size_t)>& fill) {
    Store store = store_with_class();
    fill(store, size);
    Translator translator({});
    return allocations_of([&] { translate_now(translator, store); });
  };
  const auto check = [&](const std::function<void(Store&, std::size_t)>& fill) {
    constexpr std::size_t kSize = 300;
    const std::size_t once = cost(kSize, fill);
    const std::size_t twice = cost(2 * kSize, fill);
    CAPTURE(once, twice);
    CHECK(twice < 3 * once);
  };
  const auto with_secrets = [](Store& store, std::size_t size) {
    Ingress ingress = large_ingress(size, "host");
    for (std::size_t i = 0; i < size; ++i)
      ingress.tls.push_back({.hosts = {}, .secret_name = long_name("secret", i)});
    store.apply(ingress);
  };
  SECTION("Secrets that are not there") { check(with_secrets); }
  SECTION("Secrets that cover none of the hosts") {
    const tls::PemPair pem = pem_for({"elsewhere.test"});
    check([&](Store& store, std::size_t size) {
      with_secrets(store, size);
      for (std::size_t i = 0; i < size; ++i) store.apply(secret_of(long_name("secret", i), pem));
    });
  }
  SECTION("wildcard hosts, which have something to say to those below them") {
    check([](Store& store, std::size_t size) {
      Ingress ingress = large_ingress(size, "*.host");
      ingress.tls.emplace_back();
      store.apply(ingress);
    });
  }
}

TEST_CASE("TLS hosts: an Ingress is looked at once for all Secrets that changed", "[controller]") {
  const auto cost = [](std::size_t size) {
    Store store = store_with_class();
    Ingress ingress = large_ingress(1, "host");
    for (std::size_t i = 0; i < size; ++i)
      ingress.tls.push_back({.hosts = {}, .secret_name = long_name("secret", i)});
    store.apply(ingress);
    Translator translator({});
    CHECK(count_of(translate_now(translator, store), "SecretNotFound") == size);
    for (std::size_t i = 0; i < size; ++i)
      store.apply(secret_of(long_name("secret", i), {.certificate = "none", .key = "none"}));
    Translation after;
    const std::size_t allocations =
        allocations_of([&] { after = translate_now(translator, store); });
    CHECK(count_of(after, "InvalidCertificate") == size);
    return allocations;
  };
  const std::size_t once = cost(300);
  const std::size_t twice = cost(600);
  CAPTURE(once, twice);
  CHECK(twice < 3 * once);
}

// Nothing of that can be counted: compared one by one, it would take minutes.
TEST_CASE("TLS hosts: many hosts are found among many that are listed", "[controller]") {
  constexpr std::size_t kMany = 10'000;
  constexpr std::size_t kListed = 300'000;
  const auto name_of = [](std::size_t number) {
    return fmt::format(
        "all-that-comes-before-it-is-the-same.and-there-is-quite-a-lot-of-that.n{:06}.test", number
    );
  };
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i < kMany; ++i) hosts.push_back(name_of(i));
  Ingress ingress = ingress_for(hosts);
  IngressTls entry;
  for (std::size_t i = kMany; i < kMany + kListed; ++i) entry.hosts.push_back(name_of(i));
  ingress.tls.push_back(std::move(entry));
  // The last two are listed after all the others.
  ingress.tls.push_back({.hosts = {hosts[kMany - 1]}, .secret_name = ""});
  ingress.tls.push_back({.hosts = {hosts[kMany - 2]}, .secret_name = "gone"});
  Store store = store_with_class();
  store.apply(ingress);
  Translator translator({});
  const auto translation = translate_now(translator, store);
  CHECK(count_of(translation, "HostNotInTls") == kMany - 2);
  CHECK(count_of(translation, "SecretNotFound") == 1);
}

}  // namespace cppx::controller
