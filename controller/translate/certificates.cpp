#include "controller/translate/certificates.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "controller/cache/store.h"
#include "controller/model/objects.h"
#include "tls/certificate.h"

namespace cppx::controller {
namespace {

constexpr std::string_view kTlsType = "kubernetes.io/tls";
constexpr std::string_view kCertificateKey = "tls.crt";
constexpr std::string_view kPrivateKeyKey = "tls.key";

CertificateLookup problem(std::string reason, std::string message) {
  return {.certificate = nullptr, .reason = std::move(reason), .message = std::move(message)};
}

CertificateLookup parse(const ObjectKey& key, const Secret& secret) {
  if (secret.type != kTlsType)
    return problem(
        "SecretWrongType",
        fmt::format("Secret {} is of type {}, not {}", key.to_string(), secret.type, kTlsType)
    );
  const auto chain = secret.data.find(kCertificateKey);
  const auto private_key = secret.data.find(kPrivateKeyKey);
  if (chain == secret.data.end() || private_key == secret.data.end())
    return problem(
        "InvalidCertificate", fmt::format(
                                  "Secret {} has no {}", key.to_string(),
                                  chain == secret.data.end() ? kCertificateKey : kPrivateKeyKey
                              )
    );
  auto certificate =
      tls::Certificate::from_pem(chain->second, private_key->second, key.to_string());
  if (!certificate)
    return problem(
        "InvalidCertificate",
        fmt::format("Secret {}: {}", key.to_string(), certificate.error().detail)
    );
  return {.certificate = *std::move(certificate), .reason = {}, .message = {}};
}

bool same_content(const Secret& a, const Secret& b) { return a.type == b.type && a.data == b.data; }

}  // namespace

const CertificateLookup& CertificateCache::find(const Store& store, const ObjectKey& secret) {
  const auto it = store.secrets().find(secret);
  const auto current = it == store.secrets().end() ? nullptr : it->second;
  const auto [slot, is_new] = entries_.try_emplace(secret);
  Entry& entry = slot->second;
  const bool known =
      !is_new && (entry.secret == current ||
                  (entry.secret && current && same_content(*entry.secret, *current)));
  entry.secret = current;
  if (known) return entry.lookup;
  entry.lookup =
      current == nullptr
          ? problem("SecretNotFound", fmt::format("Secret {} does not exist", secret.to_string()))
          : parse(secret, *current);
  return entry.lookup;
}

}  // namespace cppx::controller
