#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "tests/cluster/pod_server/pod_server.h"

namespace {

void run(const std::vector<unsigned short>& ports) {
  boost::asio::io_context context(1);
  cppx::pod_server::PodServer server(context);
  for (const auto port : ports) server.listen(port);
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) server.stop();
  });
  fmt::print("pod server: serving\n");
  std::fflush(stdout);
  context.run();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays all pods of a test cluster: each address that reaches this machine is one.");
  std::vector<unsigned short> ports;
  app.add_option("--port", ports, "Port of the pods; repeatable")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    run(ports);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pod server: {}\n", error.what());
    return 2;
  }
  return 0;
}
