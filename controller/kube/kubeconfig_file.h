#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "controller/kube/kube_config.h"

namespace cppx::controller {

/// Reads a kubeconfig (YAML or JSON) and follows its current-context. Refused with a clear line, as
/// this program does not do them: exec and auth-provider plugins, proxy-url, basic authentication,
/// impersonation. Relative file names in it are relative to its own folder.
Result<KubeConfig> read_kubeconfig(const std::filesystem::path& file);

}  // namespace cppx::controller
