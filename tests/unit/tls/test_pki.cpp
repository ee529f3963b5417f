#include "tests/unit/tls/test_pki.h"

#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <atomic>
#include <initializer_list>
#include <stdexcept>
#include <utility>

#include "tls/library.h"

namespace cppx::tls::test {
namespace {

// As the program begins.
[[maybe_unused]] const bool begun = [] {
  leave_out_legacy_names();
  return true;
}();

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + ": " + last_error_text());
}

KeyPtr make_dsa_key() {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr);
  EVP_PKEY* parameters = nullptr;
  must(
      EVP_PKEY_paramgen_init(context) == 1 &&
          EVP_PKEY_CTX_set_dsa_paramgen_bits(context, 1024) == 1 &&
          EVP_PKEY_paramgen(context, &parameters) == 1,
      "DSA parameters"
  );
  EVP_PKEY_CTX_free(context);
  context = EVP_PKEY_CTX_new_from_pkey(nullptr, parameters, nullptr);
  EVP_PKEY* key = nullptr;
  must(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key) == 1, "DSA key");
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(parameters);
  return KeyPtr(key);
}

KeyPtr make_rsa_2048_key() {
  static const std::array<KeyPtr, 2> keys{KeyPtr(EVP_RSA_gen(2048)), KeyPtr(EVP_RSA_gen(2048))};
  static std::atomic<unsigned> turn{0};
  EVP_PKEY* key = keys.at(turn++ % keys.size()).get();
  must(key != nullptr && EVP_PKEY_up_ref(key) == 1, "RSA key");
  return KeyPtr(key);
}

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

void push_name(GENERAL_NAMES* list, int type, const std::string& bytes) {
  GENERAL_NAME* entry = GENERAL_NAME_new();
  ASN1_STRING* text =
      ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  must(ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) == 1, "name");
  GENERAL_NAME_set0_value(entry, type, text);
  must(sk_GENERAL_NAME_push(list, entry) > 0, "name");
}

void add_alternative_names(X509* certificate, const CertificateSpec& spec) {
  if (spec.dns_names.empty() && spec.addresses.empty()) return;
  const GeneralNamesPtr list(sk_GENERAL_NAME_new_null());
  for (const std::string& name : spec.dns_names) push_name(list.get(), GEN_DNS, name);
  for (const std::string& address : spec.addresses) {
    ASN1_OCTET_STRING* bytes = a2i_IPADDRESS(address.c_str());
    must(bytes != nullptr, "address");
    push_name(
        list.get(), GEN_IPADD,
        std::string(
            reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)),
            static_cast<std::size_t>(ASN1_STRING_length(bytes))
        )
    );
    ASN1_OCTET_STRING_free(bytes);
  }
  must(
      X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) == 1,
      "alternative names"
  );
}

void add_raw_alternative_names(X509* certificate, const std::string& der) {
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  must(
      ASN1_OCTET_STRING_set(
          value, reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size())
      ) == 1,
      "raw extension"
  );
  X509_EXTENSION* extension = X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value);
  must(X509_add_ext(certificate, extension, -1) == 1, "raw extension");
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(value);
}

template <class Write>
std::string written(Write&& write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  must(write(bio.get()) == 1, "PEM");
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

}  // namespace

KeyPtr make_key(KeyKind kind) {
  switch (kind) {
    case KeyKind::kRsa2048:
      return make_rsa_2048_key();
    case KeyKind::kRsa1024:
      return KeyPtr(EVP_RSA_gen(1024));
    case KeyKind::kP256:
      return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    case KeyKind::kP384:
      return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    case KeyKind::kEd25519:
      return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    case KeyKind::kEd448:
      return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"));
    case KeyKind::kDsa:
      return make_dsa_key();
  }
  return nullptr;
}

KeyPtr make_senseless_rsa_key(const RsaNumbers& bits) {
  const std::initializer_list<std::pair<const char*, int>> all = {
      {OSSL_PKEY_PARAM_RSA_N, bits.modulus},
      {OSSL_PKEY_PARAM_RSA_E, bits.public_exponent},
      {OSSL_PKEY_PARAM_RSA_D, bits.private_exponent},
      {OSSL_PKEY_PARAM_RSA_FACTOR1, bits.factor},
      {OSSL_PKEY_PARAM_RSA_FACTOR2, bits.factor},
      {OSSL_PKEY_PARAM_RSA_EXPONENT1, bits.factor_exponent},
      {OSSL_PKEY_PARAM_RSA_EXPONENT2, bits.factor_exponent},
      {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, bits.modulus / 2},
  };
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  std::vector<BignumPtr> numbers;  // borrowed by the builder
  for (const auto& [name, length] : all) {
    BIGNUM* number = numbers.emplace_back(BN_new()).get();
    must(
        BN_set_bit(number, length - 1) == 1 && BN_set_bit(number, 0) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder, name, number) == 1,
        name
    );
  }
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
  OSSL_PARAM_BLD_free(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* key = nullptr;
  must(
      EVP_PKEY_fromdata_init(context) == 1 &&
          EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) == 1,
      "RSA key"
  );
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  return KeyPtr(key);
}

Issued issue_with_key(const CertificateSpec& spec, KeyPtr key, const Issued* issuer) {
  static std::atomic<long> serial{1};
  X509Ptr certificate(X509_new());
  X509* x = certificate.get();
  must(key && x != nullptr, "key");
  must(
      X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), serial++) == 1 &&
          ASN1_TIME_set_string(X509_getm_notBefore(x), spec.not_before.c_str()) == 1 &&
          ASN1_TIME_set_string(X509_getm_notAfter(x), spec.not_after.c_str()) == 1 &&
          X509_set_pubkey(x, key.get()) == 1,
      "fields"
  );
  if (!spec.common_name.empty())
    must(
        X509_NAME_add_entry_by_NID(
            X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(spec.common_name.data()),
            static_cast<int>(spec.common_name.size()), -1, 0
        ) == 1,
        "subject"
    );
  X509* signer = issuer == nullptr ? x : issuer->certificate.get();
  must(X509_set_issuer_name(x, X509_get_subject_name(signer)) == 1, "issuer");
  add_extension(x, NID_basic_constraints, spec.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_alternative_names(x, spec);
  if (!spec.raw_alternative_names.empty()) add_raw_alternative_names(x, spec.raw_alternative_names);
  EVP_PKEY* signing = issuer == nullptr ? key.get() : issuer->key.get();
  const bool no_digest = EVP_PKEY_get_base_id(signing) == EVP_PKEY_ED25519 ||
                         EVP_PKEY_get_base_id(signing) == EVP_PKEY_ED448;
  const EVP_MD* digest = no_digest ? nullptr : spec.digest;
  must(X509_sign(x, signing, digest) > 0, "signature");
  return {.key = std::move(key), .certificate = std::move(certificate)};
}

Issued issue(const CertificateSpec& spec, KeyKind kind, const Issued* issuer) {
  return issue_with_key(spec, make_key(kind), issuer);
}

std::string pem_of(X509* certificate) {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string pem_of(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string traditional_pem_of(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    return PEM_write_bio_PrivateKey_traditional(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string public_pem_of(EVP_PKEY* key) {
  return written([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key); });
}

}  // namespace cppx::tls::test
