// Plays kubelet for a control plane without nodes: see kubelet.h.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/log.h"
#include "controller/kube/api_client.h"
#include "controller/kube/kube_config.h"
#include "tests/cluster/fake_kubelet/kubelet.h"

namespace {

constexpr int kUsageError = 2;

int run(const std::filesystem::path& kubeconfig, std::chrono::seconds terminating) {
  cppx::controller::KubeConfigOptions options;
  options.kubeconfig = kubeconfig;
  auto config = cppx::controller::load_kube_config(options);
  if (!config) {
    std::fprintf(stderr, "cppx_fake_kubelet: %s\n", config.error().detail.c_str());
    return kUsageError;
  }
  boost::asio::io_context io(1);
  auto client = cppx::controller::ApiClient::create(io, std::move(*config));
  if (!client) {
    std::fprintf(stderr, "cppx_fake_kubelet: %s\n", client.error().detail.c_str());
    return kUsageError;
  }
  cppx::log::start(cppx::log::Level::kInfo, false);
  cppx::fake_kubelet::Kubelet kubelet(**client, terminating);
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&kubelet](const boost::system::error_code&, int) { kubelet.stop(); });
  kubelet.start();
  io.run();
  (void)cppx::log::stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays kubelet for every node of a Kubernetes control plane: for tests.");
  std::string kubeconfig;
  unsigned terminating_seconds = 0;
  app.add_option("--kubeconfig", kubeconfig, "How to reach the API server")->required();
  app.add_option(
         "--terminating-seconds", terminating_seconds,
         "How long a deleted pod goes on serving before it is gone"
  )
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kUsageError;
  }
  return run(kubeconfig, std::chrono::seconds(terminating_seconds));
}
