#include "controller/cache/cache_key.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "controller/kube/kube_config.h"

namespace cppx::controller {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
using Digest = std::array<unsigned char, 32>;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

Digest sha256(std::string_view bytes) {
  Digest digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return digest;
}

}  // namespace

Result<CacheKey> CacheKey::read(const std::filesystem::path& file) {
  auto text = read_small_file(file);
  if (!text) return text.error();
  std::array<unsigned char, kBytes> key{};
  const std::string_view trimmed = trim(*text);
  if (text->size() < kBytes || (text->size() > kBytes && trimmed.size() < kBytes))
    return config_error(
        Errc::kInvalidArgument, fmt::format("{}: shorter than {} bytes", file.string(), kBytes)
    );
  if (text->size() == kBytes)
    std::copy_n(bytes_of(*text), kBytes, key.begin());
  else
    key = sha256(trimmed);
  OPENSSL_cleanse(text->data(), text->size());
  CacheKey result(key);
  OPENSSL_cleanse(key.data(), key.size());
  return result;
}

CacheKey::~CacheKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

std::optional<std::string> CacheKey::seal(std::string_view text, std::string_view context) const {
  std::string out(kNonceBytes + text.size() + kTagBytes, '\0');
  unsigned char* nonce = bytes_of(out);
  unsigned char* body = nonce + kNonceBytes;
  const Context cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool ok =
      cipher != nullptr && RAND_bytes(nonce, kNonceBytes) == 1 &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
      EVP_EncryptUpdate(
          cipher.get(), nullptr, &size, bytes_of(context), static_cast<int>(context.size())
      ) == 1 &&
      EVP_EncryptUpdate(cipher.get(), body, &size, bytes_of(text), static_cast<int>(text.size())) ==
          1 &&
      EVP_EncryptFinal_ex(cipher.get(), body + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, body + text.size()) == 1;
  if (!ok) return std::nullopt;
  return out;
}

std::optional<std::string> CacheKey::open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string out(body.size(), '\0');
  const Context cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool ok =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), bytes_of(nonce)) ==
          1 &&
      EVP_DecryptUpdate(
          cipher.get(), nullptr, &size, bytes_of(context), static_cast<int>(context.size())
      ) == 1 &&
      EVP_DecryptUpdate(
          cipher.get(), bytes_of(out), &size, bytes_of(body), static_cast<int>(body.size())
      ) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes_of(out) + size, &size) == 1;
  if (ok) return out;
  OPENSSL_cleanse(out.data(), out.size());
  return std::nullopt;
}

std::string sha256_hex(std::string_view bytes) {
  std::string out;
  for (const unsigned char byte : sha256(bytes)) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace cppx::controller
