#include "tls/sessions.h"

#include <openssl/lhash.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>

#include "tls/openssl.h"
#include "tls/server_context.h"

namespace cppx::tls {
namespace {

/// An ID is random but for its end, where the process and the maker's number stand: the beginning
/// is the hash that OpenSSL finds sessions by.
constexpr std::size_t kProcessBytes = 2;
constexpr std::size_t kMakerBytes = 2;
constexpr std::size_t kEndBytes = kProcessBytes + kMakerBytes;
using Process = std::array<unsigned char, kProcessBytes>;

/// Sessions of another replica, or of the process before, are not asked for.
const Process& this_process() noexcept {
  static const Process mark = [] {
    Process drawn{};
    RAND_bytes(drawn.data(), static_cast<int>(drawn.size()));
    return drawn;
  }();
  return mark;
}

std::uint32_t number_in(std::span<const unsigned char> bytes) noexcept {
  return std::uint32_t{bytes[0]} << 8U | bytes[1];
}

/// OpenSSL takes such sessions out of its cache only now and then.
bool is_over(const SSL_SESSION* session) noexcept {
  const long age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(session);
  return age > SSL_SESSION_get_timeout(session);
}

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};

/// The first identity of a pre_shared_key extension (RFC 8446 4.2.11); empty where it is malformed,
/// which OpenSSL answers itself later.
std::span<const unsigned char> first_identity(std::span<const unsigned char> extension) noexcept {
  constexpr std::size_t kLengths = 4;  // of the list, of the identity
  if (extension.size() < kLengths) return {};
  const std::size_t length = number_in(extension.subspan(2));
  const auto rest = extension.subspan(kLengths);
  return length <= rest.size() ? rest.first(length) : std::span<const unsigned char>{};
}

std::optional<SessionKey> offered(SSL* hello) noexcept {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SessionKey key;
  std::span<const unsigned char> id;
  if (SSL_client_hello_get0_ext(hello, TLSEXT_TYPE_psk, &data, &size) == 1) {
    id = first_identity({data, size});
    key.version = TLS1_3_VERSION;
  } else {
    size = SSL_client_hello_get0_session_id(hello, &data);
    id = {data, size};
    key.version = TLS1_2_VERSION;
  }
  if (id.size() != key.id.size()) return std::nullopt;
  std::ranges::copy(id, key.id.begin());
  return key;
}

}  // namespace

extern "C" int cppx_tls_session_id(SSL* ssl, unsigned char* id, unsigned int* length) {
  auto* const sessions = static_cast<Sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return sessions != nullptr && sessions->next_id({id, *length}) ? 1 : 0;
}

Sessions::Sessions(SSL_CTX* context, ContextNumber number) noexcept
    : context_(context), number_(number) {
  if (SSL_CTX_set_app_data(context_, this) == 1)
    SSL_CTX_set_generate_session_id(context_, cppx_tls_session_id);
}

bool Sessions::next_id(std::span<unsigned char> id) noexcept {
  if (id.size() > left_.size()) {
    left_ = {};
    if (RAND_bytes(drawn_.data(), static_cast<int>(drawn_.size())) != 1) return false;
    left_ = drawn_;
  }
  if (id.size() <= kEndBytes || id.size() > left_.size()) return false;
  std::ranges::copy(left_.first(id.size()), id.begin());
  left_ = left_.subspan(id.size());
  std::ranges::copy(this_process(), id.last(kEndBytes).begin());
  const auto maker = id.last(kMakerBytes);
  maker[0] = static_cast<unsigned char>(number_.index >> 8U);
  maker[1] = static_cast<unsigned char>(number_.index);
  return true;
}

std::optional<SessionElsewhere> Sessions::elsewhere(SSL* hello) const noexcept {
  if (number_.count == 1) return std::nullopt;
  const std::optional<SessionKey> key = offered(hello);
  if (!key) return std::nullopt;
  const auto process = std::span(key->id).last(kEndBytes).first(kProcessBytes);
  if (!std::ranges::equal(process, this_process())) return std::nullopt;
  const std::uint32_t maker = number_in(std::span(key->id).last(kMakerBytes));
  if (maker == number_.index || maker >= number_.count || find(*key) != nullptr)
    return std::nullopt;
  return SessionElsewhere{.key = *key, .maker = maker, .asked_for = true};
}

SSL_SESSION* Sessions::find(const SessionKey& key) const noexcept {
  const std::unique_ptr<SSL_SESSION, SessionDeleter> alike(SSL_SESSION_new());
  if (!alike || SSL_SESSION_set_protocol_version(alike.get(), key.version) != 1 ||
      SSL_SESSION_set1_id(alike.get(), key.id.data(), static_cast<unsigned>(key.id.size())) != 1)
    return nullptr;
  auto* const table = reinterpret_cast<OPENSSL_LHASH*>(SSL_CTX_sessions(context_));
  return static_cast<SSL_SESSION*>(OPENSSL_LH_retrieve(table, alike.get()));
}

SharedSession Sessions::copy_of(const SessionKey& key) const {
  const ErrorQueueScope errors;
  const SSL_SESSION* const found = find(key);
  if (found == nullptr || is_over(found)) return nullptr;
  SSL_SESSION* const copy = SSL_SESSION_dup(found);
  if (copy == nullptr) return nullptr;
  return {copy, SessionDeleter()};
}

void Sessions::keep(const SharedSession& session) noexcept {
  if (!session) return;
  const ErrorQueueScope errors;
  // OpenSSL's list of sessions is sorted by their ends, and searched from the latest one. Copies
  // are not copied again: this one has ten minutes more, and no other.
  SSL_SESSION_set_time(session.get(), static_cast<long>(std::time(nullptr)));
  SSL_CTX_add_session(context_, session.get());
}

}  // namespace cppx::tls
