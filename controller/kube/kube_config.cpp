#include "controller/kube/kube_config.h"

#include <fmt/format.h>
#include <system_error>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "base/text.h"
#include "controller/kube/kubeconfig_file.h"

namespace cppx::controller {
namespace {

constexpr std::size_t kLargestFile = 16UL * 1024 * 1024;

Result<KubeConfig> in_cluster(const KubeConfigOptions& options) {
  const auto host = options.environment("KUBERNETES_SERVICE_HOST");
  const auto port = options.environment("KUBERNETES_SERVICE_PORT");
  if (!host || host->empty() || !port || port->empty())
    return config_error(
        Errc::kNotFound,
        "not in a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): "
        "give --kubeconfig, --apiserver-host or --manifests"
    );
  const auto number = parse_int<std::uint16_t>(*port);
  if (!number || *number == 0)
    return config_error(
        Errc::kInvalidArgument,
        fmt::format("environment variable KUBERNETES_SERVICE_PORT: \"{}\" is not a port", *port)
    );

  KubeConfig config;
  config.server.host = *host;
  config.server.port = *number;
  config.origin = "in-cluster";
  config.token_file = options.service_account / "token";
  const auto token = read_small_file(config.token_file);
  if (!token)
    return config_error(
        token.error().code,
        "in-cluster configuration: service account token: " + token.error().detail
    );
  config.certificate_authority.file = options.service_account / "ca.crt";
  config.certificate_authority.key = "in-cluster configuration: certificate authority";
  // Optional: only used as a default.
  if (const auto ns = read_small_file(options.service_account / "namespace"))
    config.default_namespace = trim(*ns);
  return config;
}

Result<void> apply_overrides(const KubeConfigOptions& options, KubeConfig& config) {
  if (options.apiserver_host) {
    auto url = parse_server_url(*options.apiserver_host);
    if (!url) return config_error(url.error().code, "--apiserver-host: " + url.error().detail);
    config.server = std::move(*url);
  }
  if (options.certificate_authority) {
    config.certificate_authority = {{}, *options.certificate_authority, "--certificate-authority"};
    config.insecure_skip_tls_verify = false;
  }
  return {};
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    // Called on the thread that starts the program, before anything could change the environment.
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<std::string> read_small_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    const int error = errno;
    return config_error(
        error == ENOENT ? Errc::kNotFound : Errc::kIo,
        fmt::format("{}: {}", file.string(), std::generic_category().message(error))
    );
  }
  std::error_code status_error;
  if (std::filesystem::is_directory(file, status_error))
    return config_error(Errc::kIo, fmt::format("{}: is a folder", file.string()));
  std::string text;
  std::array<char, 4096> chunk;
  while (stream.read(chunk.data(), chunk.size()) || stream.gcount() > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kLargestFile)
      return config_error(Errc::kTooLarge, fmt::format("{}: larger than 16 MiB", file.string()));
  }
  if (stream.bad())
    return config_error(Errc::kIo, fmt::format("{}: cannot be read", file.string()));
  return text;
}

Result<KubeConfig> load_kube_config(const KubeConfigOptions& options) {
  KubeConfig config;
  if (options.kubeconfig) {
    auto read = read_kubeconfig(*options.kubeconfig);
    if (!read) return read.error();
    config = std::move(*read);
  } else if (options.apiserver_host) {
    config.origin = "--apiserver-host";
  } else {
    auto found = in_cluster(options);
    if (!found) return found.error();
    config = std::move(*found);
  }
  if (auto applied = apply_overrides(options, config); !applied) return applied.error();
  return config;
}

}  // namespace cppx::controller
