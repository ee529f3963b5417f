#include "tests/unit/controller/kube_support.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace cppx::controller::test {

using nlohmann::json;

std::string gzip(const std::string& text) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string input = text;
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  return true;
}

TemporaryFolder::TemporaryFolder() {
  static std::atomic<unsigned> number{0};
  path_ = std::filesystem::temp_directory_path() /
          ("cppx-kube-test-" + std::to_string(getpid()) + "-" + std::to_string(++number));
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

std::filesystem::path TemporaryFolder::write(const std::string& name, std::string_view text) const {
  const auto file = path_ / name;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  return file;
}

KubeConfig plain_config(const std::string& url) {
  KubeConfig config;
  config.server = parse_server_url(url).value();
  config.origin = "test";
  return config;
}

ListWatchOptions quick_list_watch() {
  ListWatchOptions options;
  options.least_delay = std::chrono::milliseconds(2);
  options.most_delay = std::chrono::milliseconds(20);
  options.refused_delay = std::chrono::milliseconds(20);
  options.quiet_watch = std::chrono::milliseconds(10);
  options.page_limit = 3;
  options.streaming_lists = false;
  options.seed = 7;
  return options;
}

void RecordingSink::replaced(Kind kind, const std::string& ns, std::vector<Object> objects) {
  ++replaces;
  std::erase_if(versions, [&](const auto& entry) {
    return entry.first.first == kind && (ns.empty() || entry.first.second.ns == ns);
  });
  for (const Object& object : objects) {
    const ObjectMeta& meta = meta_of(object);
    versions[{kind, meta.key}] = meta.resource_version;
  }
}

void RecordingSink::upserted(Object object) {
  ++upserts;
  const ObjectMeta& meta = meta_of(object);
  versions[{kind_of(object), meta.key}] = meta.resource_version;
}

void RecordingSink::removed(Kind kind, const ObjectKey& key) {
  ++removals;
  versions.erase({kind, key});
}

std::string RecordingSink::version_of(Kind kind, const std::string& ns, const std::string& name)
    const {
  const auto found = versions.find({kind, {ns, name}});
  return found == versions.end() ? std::string() : found->second;
}

std::size_t RecordingSink::count(Kind kind) const {
  std::size_t number = 0;
  for (const auto& entry : versions) number += entry.first.first == kind ? 1 : 0;
  return number;
}

json service_json(const std::string& ns, const std::string& name) {
  return {
      {"metadata", {{"name", name}, {"namespace", ns}, {"uid", "uid-" + name}}},
      {"spec",
       {{"type", "ClusterIP"},
        {"ports", json::array({{{"port", 80}, {"protocol", "TCP"}, {"targetPort", 8080}}})}}},
  };
}

json secret_json(const std::string& ns, const std::string& name, const std::string& type) {
  return {
      {"metadata", {{"name", name}, {"namespace", ns}, {"uid", "uid-" + name}}},
      {"type", type},
      {"data", {{"key", "dmFsdWU="}}},
  };
}

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Key make_key() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free}; }

std::string text_of(BIO* bio) {
  std::string text(static_cast<std::size_t>(BIO_pending(bio)), '\0');
  BIO_read(bio, text.data(), static_cast<int>(text.size()));
  return text;
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

void add_extension(X509* certificate, X509* issuer, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, value), &X509_EXTENSION_free
  );
  X509_add_ext(certificate, extension.get(), -1);
}

/// Signed by `issuer`, or by itself when that is null.
Certificate make_certificate(
    const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, const char* names
) {
  static long serial = 0;
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(
      subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0
  );
  X509* signer = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (issuer == nullptr)
    add_extension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  if (names != nullptr) add_extension(certificate.get(), signer, NID_subject_alt_name, names);
  X509_sign(certificate.get(), issuer_key, EVP_sha256());
  return certificate;
}

TestPki make_pki() {
  const Key ca_key = make_key();
  const Key server_key = make_key();
  const Key client_key = make_key();
  const auto ca = make_certificate("test authority", ca_key.get(), nullptr, ca_key.get(), nullptr);
  const auto server = make_certificate(
      "server", server_key.get(), ca.get(), ca_key.get(), "IP:127.0.0.1,DNS:localhost"
  );
  const auto client = make_certificate("client", client_key.get(), ca.get(), ca_key.get(), nullptr);
  return {
      pem_of(ca.get()), pem_of(server.get()), pem_of(server_key.get()), pem_of(client.get()),
      pem_of(client_key.get())
  };
}

}  // namespace

const TestPki& test_pki() {
  static const TestPki pki = make_pki();
  return pki;
}

}  // namespace cppx::controller::test
