#pragma once
// Ownership of OpenSSL's objects and of its error queue. Private to tls/.

#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "tls/byte_stream.h"

namespace cppx::tls {

struct OpensslDeleter {
  void operator()(BIO* bio) const noexcept { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(OSSL_DECODER_CTX* decoder) const noexcept { OSSL_DECODER_CTX_free(decoder); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
  void operator()(BIGNUM* number) const noexcept { BN_free(number); }
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

using BioPtr = std::unique_ptr<BIO, OpensslDeleter>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter>;
using DecoderPtr = std::unique_ptr<OSSL_DECODER_CTX, OpensslDeleter>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter>;
using ChainPtr = std::unique_ptr<STACK_OF(X509), OpensslDeleter>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslDeleter>;
using BignumPtr = std::unique_ptr<BIGNUM, OpensslDeleter>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, OpensslDeleter>;

/// Empties this thread's error queue at both ends of a scope: what is left in it would be taken
/// for the failure of the next SSL_read of another connection.
class ErrorQueueScope {
 public:
  ErrorQueueScope() noexcept { forget_errors(); }
  ~ErrorQueueScope() { forget_errors(); }
  ErrorQueueScope(const ErrorQueueScope&) = delete;
  ErrorQueueScope& operator=(const ErrorQueueScope&) = delete;
};

/// The reason of the newest entry of the queue in OpenSSL's words ("bad base64 decode").
std::string last_error_text();

}  // namespace cppx::tls
