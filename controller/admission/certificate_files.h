#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"
#include "controller/kube/task.h"
#include "tls/self_signed.h"

namespace cppx::controller {

/// A certificate and its key in two files (PEM), read again as they change: those of a Secret that
/// is mounted, for instance. While they cannot be used, what was read before stays.
class CertificateFiles {
 public:
  /// Takes each new pair, and says whether it can be used.
  using Show = std::function<Result<void>(const tls::PemPair&)>;

  CertificateFiles(
      std::filesystem::path certificate, std::filesystem::path key, Show show,
      std::chrono::milliseconds look = std::chrono::seconds(2)
  );
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;

  /// Reads them now. An error names the file, or says what is wrong with the pair.
  Result<void> read();
  /// Reads them every so often, for ever; ends when cancelled.
  Task<void> run(Executor executor);

 private:
  std::filesystem::path certificate_;
  std::filesystem::path key_;
  Show show_;
  std::chrono::milliseconds look_;
  tls::PemPair last_;
  std::string last_trouble_;
};

}  // namespace cppx::controller
