// The first byte says what follows: 'p' the PEM of a chain and, behind a NUL, of its key; else the
// DER of one certificate, which goes with a fixed key, so that changed names and dates get past it.
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/require.h"
#include "tls/certificate.h"

namespace {

using cppx::test::require;
using cppx::tls::Certificate;

/// Of the certificate among the seeds; made for tests.
constexpr std::string_view kKey = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEII9L4Wekx4gzMPkCqRxSks6QkuMGEA53SiAJDmnMkKAS
-----END PRIVATE KEY-----
)";

std::string pem_of(std::string_view der) {
  std::string text(der.size() / 3 * 4 + 5, '\0');
  const int length = EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(text.data()),
      reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size())
  );
  text.resize(static_cast<std::size_t>(length));
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t i = 0; i < text.size(); i += 64) pem += text.substr(i, 64) + "\n";
  return pem + "-----END CERTIFICATE-----\n";
}

void check(std::string_view chain, std::string_view key) {
  const auto result = Certificate::from_pem(chain, key);
  require(ERR_peek_error() == 0, "leaves no error queued");
  if (!result.has_value()) {
    require(!result.error().detail.empty(), "says why");
    return;
  }
  const Certificate& certificate = **result;
  require(certificate.fingerprint().size() == 64, "has a fingerprint");
  require(certificate.expired(certificate.not_after()), "has expired at its end");
  for (const std::string& name : certificate.names()) {
    require(name.find('\0') == std::string::npos, "no NUL in a name");
    require(!name.empty() && name.size() <= 253, "a name has 1 to 253 bytes");
    static_cast<void>(certificate.covers(name));
  }
  require(!certificate.covers("10.0.0.1"), "covers no address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 65536) return 0;
  const std::string input(data + 1, data + size);
  if (data[0] != 'p') {
    check(pem_of(input), kKey);
    return 0;
  }
  const std::size_t split = input.find('\0');
  check(input.substr(0, split), split == std::string::npos ? kKey : input.substr(split + 1));
  return 0;
}
