#include "tls/certificate.h"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "routing/match/host_index.h"
#include "tls/byte_stream.h"
#include "tls/key_flaw.h"
#include "tls/library.h"
#include "tls/openssl.h"
#include "tls/server_context.h"

namespace cppx::tls {

struct Certificate::Handles {
  X509Ptr leaf;
  ChainPtr chain;  // without the leaf; may be empty
  KeyPtr key;
};

namespace {

constexpr std::size_t kLongestText = std::numeric_limits<int>::max();
using TimePoint = std::chrono::system_clock::time_point;

Error tls_error(std::string detail) { return config_error(Errc::kTls, std::move(detail)); }

BioPtr memory_bio(std::string_view text) {
  if (text.size() > kLongestText) return nullptr;
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Null at the end, and for one that cannot be read.
X509Ptr next_certificate(BIO* bio) {
  unsigned char* der = nullptr;
  long size = 0;
  if (PEM_bytes_read_bio(&der, &size, nullptr, PEM_STRING_X509, bio, nullptr, nullptr) != 1)
    return nullptr;
  // As d2i_X509() would read it, but into that library.
  const unsigned char* next = der;
  X509Ptr certificate(reinterpret_cast<X509*>(
      ASN1_item_d2i_ex(nullptr, &next, size, ASN1_ITEM_rptr(X509), library(Side::kServer), nullptr)
  ));
  OPENSSL_free(der);
  return certificate;
}

/// All certificates of `pem`, in order; blocks of other types and text between blocks are skipped.
Result<ChainPtr> read_chain(std::string_view pem) {
  ChainPtr chain(sk_X509_new_null());
  const BioPtr bio = memory_bio(pem);
  if (!chain || !bio) return tls_error("tls.crt: cannot be held in memory");
  while (X509Ptr certificate = next_certificate(bio.get())) {
    if (sk_X509_push(chain.get(), certificate.get()) == 0)
      return tls_error("tls.crt: cannot be held in memory");
    [[maybe_unused]] X509* const pushed = certificate.release();
  }
  // The end of the text is an error as well; anything else is a block that is damaged.
  const unsigned long code = ERR_peek_last_error();
  if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
    return tls_error(fmt::format(
        "tls.crt: certificate {} cannot be read: {}", sk_X509_num(chain.get()) + 1,
        last_error_text()
    ));
  if (sk_X509_num(chain.get()) == 0) return tls_error("tls.crt: no PEM certificate in it");
  return chain;
}

extern "C" int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

bool usable_in_tls(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return true;
    default:
      return false;
  }
}

/// Null when it is no key of that type, or not at once clear. OpenSSL's general reader tries the
/// decoders of all types, which takes it three times as long: it counts with thousands of Secrets.
KeyPtr read_key_of_type(std::string_view pem, const char* type) {
  const BioPtr bio = memory_bio(pem);
  EVP_PKEY* key = nullptr;
  const DecoderPtr decoder(OSSL_DECODER_CTX_new_for_pkey(
      &key, "PEM", nullptr, type, EVP_PKEY_KEYPAIR, library(Side::kServer), nullptr
  ));
  bool password_asked = false;
  const bool done =
      bio && decoder &&
      OSSL_DECODER_CTX_set_pem_password_cb(decoder.get(), refuse_password, &password_asked) == 1 &&
      OSSL_DECODER_from_bio(decoder.get(), bio.get()) == 1;
  KeyPtr result(key);
  if (!done) result.reset();
  return result;
}

Result<KeyPtr> read_key(std::string_view pem, X509* leaf) {
  const EVP_PKEY* public_key = X509_get0_pubkey(leaf);
  if (public_key != nullptr && usable_in_tls(public_key))
    if (KeyPtr key = read_key_of_type(pem, EVP_PKEY_get0_type_name(public_key))) return key;

  const BioPtr bio = memory_bio(pem);
  if (!bio) return tls_error("tls.key: cannot be held in memory");
  forget_errors();  // OpenSSL's reader goes by the oldest one
  bool password_asked = false;
  KeyPtr key(PEM_read_bio_PrivateKey_ex(
      bio.get(), nullptr, refuse_password, &password_asked, library(Side::kServer), nullptr
  ));
  // A cipher that OpenSSL does not know is refused before the password is asked for.
  const unsigned long code = ERR_peek_last_error();
  const bool encrypted = password_asked || (!key && ERR_GET_LIB(code) == ERR_LIB_PEM &&
                                            ERR_GET_REASON(code) == PEM_R_UNSUPPORTED_ENCRYPTION);
  if (encrypted)
    return tls_error("tls.key: the private key is encrypted; store it without a passphrase");
  if (!key) {
    if (pem.find("-----BEGIN") == std::string_view::npos)
      return tls_error("tls.key: no PEM private key in it");
    return tls_error(fmt::format("tls.key: private key cannot be read: {}", last_error_text()));
  }
  if (!usable_in_tls(key.get()))
    return tls_error("tls.key: TLS needs an RSA, ECDSA or Ed25519 key, this one is of another type"
    );
  return key;
}

/// Why a certificate of the chain would be refused at a handshake, by the same two questions that
/// OpenSSL asks there: bits of the key, and of the signature unless it is self-signed.
std::optional<std::string> weakness(X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "its public key is of an unknown type or damaged";
  if (EVP_PKEY_get_security_bits(key) < kSecurityBits)
    return fmt::format("its key of {} bits is too short", EVP_PKEY_get_bits(key));
  if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0) return std::nullopt;
  int bits = 0;
  if (X509_get_signature_info(certificate, nullptr, nullptr, &bits, nullptr) == 0 ||
      bits < kSecurityBits)
    return "its signature algorithm is too weak or unknown";
  return std::nullopt;
}

std::optional<Error> check_chain(STACK_OF(X509) * chain, EVP_PKEY* key) {
  const int count = sk_X509_num(chain);
  for (int i = 0; i < count; ++i)
    if (const auto weak = weakness(sk_X509_value(chain, i)))
      return tls_error(fmt::format("tls.crt: certificate {}: {}", i + 1, *weak));
  if (const auto flaw = flaw_of(key)) return tls_error(fmt::format("tls.key: {}", *flaw));
  if (X509_check_private_key(sk_X509_value(chain, 0), key) == 1) return std::nullopt;
  for (int i = 1; i < count; ++i)
    if (X509_check_private_key(sk_X509_value(chain, i), key) == 1)
      return tls_error(fmt::format(
          "tls.key belongs to certificate {} of tls.crt; that one has to come first", i + 1
      ));
  return tls_error("tls.key does not match the certificate in tls.crt");
}

/// Nothing when the time cannot be read. Times beyond the clock's range (it counts nanoseconds
/// and ends in 2262; "99991231235959Z" is common) are cut to it.
std::optional<TimePoint> to_time_point(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) == 0) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date(
      year(parts.tm_year + 1900), month(static_cast<unsigned>(parts.tm_mon) + 1),
      day(static_cast<unsigned>(parts.tm_mday))
  );
  const sys_seconds exact =
      sys_days(date) + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec);
  return std::clamp(
      exact, time_point_cast<seconds>(TimePoint::min()), time_point_cast<seconds>(TimePoint::max())
  );
}

/// Lower case, no trailing dot; empty when it is no DNS name: a NUL inside, spaces, other bytes
/// that clients read in different ways.
std::string as_dns_name(const unsigned char* data, int length) {
  if (data == nullptr || length <= 0) return {};
  std::string name(data, data + length);
  if (name.ends_with('.')) name.pop_back();
  const bool plain = std::ranges::all_of(name, [](char c) {
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '*';
  });
  if (!plain || name.size() > routing::HostIndex::kLongestName) return {};
  return to_lower(std::string_view(name));
}

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  std::string name = as_dns_name(utf8, length);
  OPENSSL_free(utf8);
  return name;
}

Result<std::vector<std::string>> read_names(const X509* certificate) {
  std::vector<std::string> names;
  std::set<std::string> known;  // no hash: whoever makes the certificate chooses them
  const auto append = [&](std::string name) {
    if (!name.empty() && known.insert(name).second) names.push_back(std::move(name));
  };
  int state = 0;
  const GeneralNamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &state, nullptr)
  ));
  if (!list && state != -1)
    return tls_error("tls.crt: the subject alternative names cannot be read");
  bool has_dns_names = false;
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type != GEN_DNS) continue;
    has_dns_names = true;
    const ASN1_IA5STRING* text = name->d.dNSName;
    append(as_dns_name(ASN1_STRING_get0_data(text), ASN1_STRING_length(text)));
  }
  if (!has_dns_names) append(common_name(certificate));
  return names;
}

std::string fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) == 0) return {};
  std::string hex;
  hex.reserve(std::size_t{2} * length);
  for (unsigned int i = 0; i < length; ++i)
    fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  return hex;
}

/// No name of a certificate stands for an address (RFC 6125 1.7.2), "*.0.0.1" neither.
bool is_address(std::string_view host) {
  if (host.find_first_of(":[") != std::string_view::npos) return true;
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return !last.empty() && std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

// The star is the whole first label only, as browsers and Go have it (RFC 6125 6.4.3).
std::vector<std::string> covering_names(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || is_address(host)) return {};
  std::vector<std::string> names{to_lower(host)};
  const std::size_t dot = host.find('.');
  if (dot != std::string_view::npos && dot > 0 && !host.starts_with('*'))
    names.push_back("*" + names.front().substr(dot));
  return names;
}

Result<std::shared_ptr<const Certificate>> Certificate::from_pem(
    std::string_view chain_pem, std::string_view key_pem, std::string origin
) {
  const ErrorQueueScope errors;
  auto chain = read_chain(chain_pem);
  if (!chain) return chain.error();
  auto key = read_key(key_pem, sk_X509_value(chain->get(), 0));
  if (!key) return key.error();
  if (auto error = check_chain(chain->get(), key->get())) return *std::move(error);

  X509Ptr leaf(sk_X509_shift(chain->get()));
  auto names = read_names(leaf.get());
  if (!names) return names.error();
  const auto not_before = to_time_point(X509_get0_notBefore(leaf.get()));
  const auto not_after = to_time_point(X509_get0_notAfter(leaf.get()));
  if (!not_before || !not_after) return tls_error("tls.crt: the validity dates cannot be read");

  struct Access : Certificate {};  // lets make_shared reach the private constructor
  auto result = std::make_shared<Access>();
  result->fingerprint_ = fingerprint_of(leaf.get());
  result->handles_ = std::make_unique<Handles>(std::move(leaf), std::move(*chain), std::move(*key));
  result->names_ = std::move(*names);
  result->sorted_names_.assign(result->names_.begin(), result->names_.end());
  std::ranges::sort(result->sorted_names_);
  result->not_before_ = *not_before;
  result->not_after_ = *not_after;
  result->origin_ = std::move(origin);
  return result;
}

Certificate::~Certificate() = default;

bool Certificate::covers(std::string_view host) const {
  return std::ranges::any_of(covering_names(host), [&](const std::string& name) {
    return std::ranges::binary_search(sorted_names_, std::string_view(name));
  });
}

bool Certificate::use_for(SSL* ssl) const {
  const ErrorQueueScope errors;
  // One of an earlier ClientHello, which a HelloRetryRequest had repeated.
  if (SSL_get_certificate(ssl) != nullptr) SSL_certs_clear(ssl);
  STACK_OF(X509)* chain = sk_X509_num(handles_->chain.get()) > 0 ? handles_->chain.get() : nullptr;
  return SSL_use_cert_and_key(ssl, handles_->leaf.get(), handles_->key.get(), chain, 1) == 1;
}

}  // namespace cppx::tls
