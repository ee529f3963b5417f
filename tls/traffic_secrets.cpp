#include "tls/traffic_secrets.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <string_view>

#include "tls/key_derivation.h"

namespace cppx::tls {
namespace {

thread_local TrafficSecrets* wanted = nullptr;

}  // namespace

TrafficSecret::TrafficSecret(Bytes secret) noexcept : size_(std::min(secret.size(), kLongest)) {
  std::copy_n(secret.begin(), size_, octets_.begin());
}

TrafficSecret::~TrafficSecret() { OPENSSL_cleanse(octets_.data(), octets_.size()); }

TrafficSecretsScope::TrafficSecretsScope(TrafficSecrets& secrets) noexcept { wanted = &secrets; }

TrafficSecretsScope::~TrafficSecretsScope() { wanted = nullptr; }

void note_secret(Bytes label, Bytes secret) noexcept {
  constexpr std::string_view kClient = "c ap traffic";
  constexpr std::string_view kServer = "s ap traffic";
  if (wanted == nullptr || label.size() != kClient.size()) return;
  if (std::ranges::equal(label, bytes_of(kClient)))
    wanted->client.emplace(secret);
  else if (std::ranges::equal(label, bytes_of(kServer)))
    wanted->server.emplace(secret);
}

}  // namespace cppx::tls
