#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "controller/kube/url.h"

namespace cppx::controller {

/// PEM text, given itself or as a file that is read when it is used (and again later: such files
/// are rotated). `key` says where it came from, for error lines.
struct PemSource {
  std::string text;
  std::filesystem::path file;
  std::string key;

  [[nodiscard]] bool empty() const noexcept { return text.empty() && file.empty(); }
};

/// How to reach the API server and as whom.
struct KubeConfig {
  ServerUrl server;
  std::string tls_server_name;  ///< Name the server's certificate must have; empty: server.host.
  bool insecure_skip_tls_verify = false;
  PemSource certificate_authority;  ///< Empty: the system's authorities.
  PemSource client_certificate;     ///< Both of these or none.
  PemSource client_key;
  std::string token;  ///< Bearer token; empty when token_file is used or there is none.
  std::filesystem::path token_file;  ///< Read again as it is rotated.
  std::string default_namespace;     ///< Of the context or the service account; may be empty.
  std::string origin;                ///< For the log: "kubeconfig F, context C", "in-cluster".
};

/// Value of an environment variable, nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

struct KubeConfigOptions {
  std::optional<std::filesystem::path> kubeconfig;             ///< --kubeconfig
  std::optional<std::string> apiserver_host;                   ///< --apiserver-host
  std::optional<std::filesystem::path> certificate_authority;  ///< --certificate-authority
  std::filesystem::path service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
  Environment environment = process_environment();
};

/// The kubeconfig when one is named; else, when apiserver_host is given, that server without
/// credentials; else what a Pod finds about its own cluster. apiserver_host and
/// certificate_authority replace those of the kubeconfig. Every error is one line: what file, what
/// key, why.
Result<KubeConfig> load_kube_config(const KubeConfigOptions& options);

/// Whole content of a small file; kIo with path and reason.
Result<std::string> read_small_file(const std::filesystem::path& file);

}  // namespace cppx::controller
