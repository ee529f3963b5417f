#include "tls/self_signed.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"
#include "tls/openssl.h"

namespace cppx::tls {
namespace {

constexpr std::size_t kLongestKeyText = std::numeric_limits<int>::max();
/// Clients whose clock is behind by less accept a new certificate.
constexpr std::chrono::hours kClockTolerance(1);
/// A serial number has at most 20 octets and is positive (RFC 5280 4.1.2.2).
constexpr int kSerialBits = 159;

bool add_subject(X509* certificate, const SelfSignedOptions& options) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto add = [subject](int field, const std::string& text) {
    return text.empty() ||
           (text.size() <= kLongestKeyText &&
            X509_NAME_add_entry_by_NID(
                subject, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                static_cast<int>(text.size()), -1, 0
            ) == 1);
  };
  return add(NID_organizationName, options.organization) &&
         add(NID_commonName, options.common_name) &&
         X509_set_issuer_name(certificate, subject) == 1;
}

bool set_serial(X509* certificate) {
  const BignumPtr number(BN_new());
  return number && BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_validity(X509* certificate, std::chrono::hours lifetime) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::time_t begin = now - std::chrono::seconds(kClockTolerance).count();
  const std::time_t end = now + std::chrono::seconds(lifetime).count();
  return ASN1_TIME_set(X509_getm_notBefore(certificate), begin) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), end) != nullptr;
}

/// By structures, not by OpenSSL's configuration text, in which a comma of a name would start
/// another entry.
bool add_alternative_names(X509* certificate, const std::vector<std::string>& names) {
  if (names.empty()) return true;
  const GeneralNamesPtr list(sk_GENERAL_NAME_new_null());
  if (!list) return false;
  for (const std::string& name : names) {
    GENERAL_NAME* entry = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    if (entry == nullptr || text == nullptr || name.size() > kLongestKeyText ||
        ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 0 ||
        sk_GENERAL_NAME_push(list.get(), entry) == 0) {
      GENERAL_NAME_free(entry);
      ASN1_IA5STRING_free(text);
      return false;
    }
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) ==
         1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool add_server_extensions(X509* certificate, X509* issuer, const SelfSignedOptions& options) {
  return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         (issuer == certificate ||
          add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always")) &&
         add_alternative_names(certificate, options.dns_names);
}

bool add_authority_extensions(X509* certificate) {
  return add_extension(
             certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"
         ) &&
         add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return length > 0 ? std::string(data, static_cast<std::size_t>(length)) : std::string();
}

Error failed(std::string_view step) {
  return {
      .code = Errc::kTls,
      .source = ErrorSource::kInternal,
      .retryable = false,
      .detail = fmt::format("self-signed certificate: {}: {}", step, last_error_text()),
  };
}

/// A certificate with its key, not in text form yet.
struct Issued {
  KeyPtr key;
  X509Ptr certificate;
};

/// All but extensions and signature.
Result<Issued> begin_certificate(const SelfSignedOptions& options) {
  Issued out{
      .key = KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")),
      .certificate = X509Ptr(X509_new())
  };
  if (!out.key) return failed("key");
  X509* certificate = out.certificate.get();
  constexpr long kVersion3 = 2;
  if (certificate == nullptr || X509_set_version(certificate, kVersion3) == 0 ||
      !set_serial(certificate) || !set_validity(certificate, options.lifetime) ||
      X509_set_pubkey(certificate, out.key.get()) == 0)
    return failed("basic fields");
  if (!add_subject(certificate, options)) return failed("subject");
  return out;
}

Result<std::string> to_pem(X509* certificate) {
  const BioPtr text(BIO_new(BIO_s_mem()));
  if (!text || PEM_write_bio_X509(text.get(), certificate) == 0) return failed("PEM");
  return text_of(text.get());
}

Result<PemPair> to_pem(const Issued& issued) {
  auto certificate = to_pem(issued.certificate.get());
  if (!certificate) return certificate.error();
  const BioPtr key(BIO_new(BIO_s_mem()));
  if (!key || PEM_write_bio_PKCS8PrivateKey(
                  key.get(), issued.key.get(), nullptr, nullptr, 0, nullptr, nullptr
              ) == 0)
    return failed("PEM");
  return PemPair{.certificate = std::move(*certificate), .key = text_of(key.get())};
}

}  // namespace

Result<PemPair> make_self_signed_pem(const SelfSignedOptions& options) {
  const ErrorQueueScope errors;
  const auto made = begin_certificate(options);
  if (!made) return made.error();
  X509* certificate = made->certificate.get();
  if (!add_server_extensions(certificate, certificate, options)) return failed("extensions");
  if (X509_sign(certificate, made->key.get(), EVP_sha256()) == 0) return failed("signature");
  return to_pem(*made);
}

Result<IssuedPem> make_issued_pem(const SelfSignedOptions& options) {
  const ErrorQueueScope errors;
  const auto authority = begin_certificate(
      {.common_name = options.common_name + " authority",
       .organization = options.organization,
       .dns_names = {},
       .lifetime = options.lifetime}
  );
  if (!authority) return authority.error();
  X509* root = authority->certificate.get();
  if (!add_authority_extensions(root)) return failed("extensions");
  if (X509_sign(root, authority->key.get(), EVP_sha256()) == 0) return failed("signature");

  const auto made = begin_certificate(options);
  if (!made) return made.error();
  X509* certificate = made->certificate.get();
  if (X509_set_issuer_name(certificate, X509_get_subject_name(root)) == 0) return failed("issuer");
  if (!add_server_extensions(certificate, root, options)) return failed("extensions");
  if (X509_sign(certificate, authority->key.get(), EVP_sha256()) == 0) return failed("signature");

  auto root_text = to_pem(root);
  if (!root_text) return root_text.error();
  auto pair = to_pem(*made);
  if (!pair) return pair.error();
  return IssuedPem{.authority = std::move(*root_text), .pair = std::move(*pair)};
}

Result<std::shared_ptr<const Certificate>> make_default_certificate() {
  const auto pem = make_self_signed_pem({
      .common_name = "Kubernetes Ingress Controller Fake Certificate",
      .organization = "Acme Co",
      .dns_names = {"ingress.local"},
  });
  if (!pem) return pem.error();
  return Certificate::from_pem(pem->certificate, pem->key);
}

}  // namespace cppx::tls
