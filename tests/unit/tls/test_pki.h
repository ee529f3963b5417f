#pragma once
// Certificates of any shape, made in memory for the tests of this folder.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tls/openssl.h"

namespace cppx::tls::test {

enum class KeyKind { kRsa2048, kRsa1024, kP256, kP384, kEd25519, kEd448, kDsa };

/// A new key; of kRsa2048 there are two that take turns, because they are slow to make.
KeyPtr make_key(KeyKind kind);

/// Bits of the numbers of an RSA key.
struct RsaNumbers {
  int modulus = 2048;
  int public_exponent = 17;
  int private_exponent = modulus;
  int factor = modulus / 2;
  int factor_exponent = modulus / 2;
};
/// A key that can be read and not used: its numbers are as long as that, and have no other sense.
KeyPtr make_senseless_rsa_key(const RsaNumbers& bits);

struct CertificateSpec {
  std::string common_name = "leaf";
  std::vector<std::string> dns_names = {};
  std::vector<std::string> addresses = {};  // "127.0.0.1"
  std::string raw_alternative_names = {};   // DER put into the extension as it is
  std::string not_before = "20200101000000Z";
  std::string not_after = "20400101000000Z";
  bool is_ca = false;
  const EVP_MD* digest = EVP_sha256();  // what it is signed with
};

struct Issued {
  KeyPtr key;
  X509Ptr certificate;
};

/// Self-signed when there is no issuer.
Issued issue(const CertificateSpec& spec, KeyKind kind, const Issued* issuer = nullptr);
Issued issue_with_key(const CertificateSpec& spec, KeyPtr key, const Issued* issuer = nullptr);

std::string pem_of(X509* certificate);
std::string pem_of(EVP_PKEY* key);
/// "RSA PRIVATE KEY", "EC PRIVATE KEY": the forms of before PKCS #8.
std::string traditional_pem_of(EVP_PKEY* key);
std::string public_pem_of(EVP_PKEY* key);

}  // namespace cppx::tls::test
