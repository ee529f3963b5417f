#pragma once
// The tls folder: certificates and the choice of one by SNI, on OpenSSL. No sockets of its own.
//
//   Secret's PEM → Certificate → SniTable (part of a snapshot) → ServerContext (one per worker)
//
// May include: routing, base.

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cppx::tls {

/// The names of which a certificate must have one to cover `host` (exact name, or "*.example.com"
/// itself), lower case: its own and that of the wildcard above it (RFC 6125 6.4). Case and a
/// trailing dot do not matter. None for an address.
std::vector<std::string> covering_names(std::string_view host);

/// A certificate chain with its private key, checked to belong together. Immutable; shared by
/// snapshots and, through OpenSSL's own reference counts, by live connections.
class Certificate {
 public:
  /// `chain_pem`: leaf first, then intermediates (tls.crt). `key_pem`: the leaf's key (tls.key).
  /// Errors are kTls with the reason in words: no certificate, unreadable key, encrypted key, key
  /// that does not match the certificate, is too short or too long. An expired certificate is no
  /// error here (see expired()).
  /// `origin` says where it came from, for people ("default/site-tls").
  static Result<std::shared_ptr<const Certificate>> from_pem(
      std::string_view chain_pem, std::string_view key_pem, std::string origin = {}
  );

  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  ~Certificate();

  /// Whether a client that asked for `host` would accept it: one of covering_names() is among the
  /// subject alternative names, or is the common name when there are none. Does not look at all of
  /// them: there may be many thousand.
  [[nodiscard]] bool covers(std::string_view host) const;
  /// DNS names it covers, lower case, each once.
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] std::chrono::system_clock::time_point not_before() const noexcept {
    return not_before_;
  }
  [[nodiscard]] std::chrono::system_clock::time_point not_after() const noexcept {
    return not_after_;
  }
  [[nodiscard]] bool expired(std::chrono::system_clock::time_point now) const noexcept {
    return now >= not_after_;
  }
  /// SHA-256 over the leaf's DER, lower-case hex.
  [[nodiscard]] const std::string& fingerprint() const noexcept { return fingerprint_; }

  /// As given to from_pem().
  [[nodiscard]] const std::string& origin() const noexcept { return origin_; }

  /// Makes `ssl` present this certificate. False if OpenSSL refuses (key too weak for its level).
  bool use_for(SSL* ssl) const;

 private:
  Certificate() = default;

  struct Handles;
  std::unique_ptr<Handles> handles_;
  std::vector<std::string> names_;
  std::vector<std::string_view> sorted_names_;  // the same
  std::chrono::system_clock::time_point not_before_;
  std::chrono::system_clock::time_point not_after_;
  std::string fingerprint_;
  std::string origin_;
};

}  // namespace cppx::tls
