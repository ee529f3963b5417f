#pragma once
// How algorithms are offered to OpenSSL (provider-base(7)). Private to tls/.

#include <openssl/core.h>

#include <string_view>

namespace cppx::tls {

/// What tables of functions hold, whatever the function's type.
using ProviderFunction = void (*)();

/// The properties of what cppx has itself.
inline constexpr const char* kOwnAlgorithm = "provider=cppx";

/// The first of the names of an algorithm, which are parted by colons.
inline std::string_view first_name(const OSSL_ALGORITHM& algorithm) noexcept {
  const std::string_view names = algorithm.algorithm_names;
  return names.substr(0, names.find(':'));
}

}  // namespace cppx::tls
