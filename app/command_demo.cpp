#include <fmt/format.h>
#include <stdlib.h>
#include <system_error>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "app/commands.h"
#include "app/demo_backends.h"
#include "app/demo_manifests.h"
#include "app/signals.h"

namespace cppx::app {
namespace {

/// A folder of the demo's own with its manifests, taken away again at the end.
class DemoFolder {
 public:
  DemoFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cppx-demo-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return;
    path_ = pattern;
    for (const auto& file : demo_manifests()) std::ofstream(path_ / file.name) << file.content;
  }
  DemoFolder(const DemoFolder&) = delete;
  DemoFolder& operator=(const DemoFolder&) = delete;
  ~DemoFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

void print_what_to_try(std::uint16_t http, std::uint16_t https, const std::string& manifests) {
  fmt::print(
      "\ncppx demo: the tutorial's three hosts, each with three pods that run in this process. "
      "Try:\n\n"
      "  curl -H 'Host: www.kxyctl.com' http://127.0.0.1:{0}/\n"
      "  curl --resolve tomcat.kxyctl.com:{1}:127.0.0.1 -k https://tomcat.kxyctl.com:{1}/\n"
      "  curl --resolve nginx.kxyctl.com:{1}:127.0.0.1 -k https://nginx.kxyctl.com:{1}/\n"
      "  curl -i -H 'Host: tomcat.kxyctl.com' http://127.0.0.1:{0}/      # 308: the host has TLS\n"
      "  curl -i -H 'Host: unknown.example' http://127.0.0.1:{0}/        # 404: nobody's host\n\n"
      "Its manifests are in {2}: edit them and see the change at once. Ctrl-C ends it.\n\n",
      http, https, manifests
  );
  std::fflush(stdout);
}

}  // namespace

int demo(const Flags& flags) {
  Signals::block();
  const DemoFolder folder;
  Flags own = flags;
  if (own.controller.manifests.empty()) {
    if (folder.path().empty()) {
      std::fprintf(
          stderr, "cppx: cannot make a folder for the demo's manifests in %s\n",
          std::filesystem::temp_directory_path().c_str()
      );
      return 2;
    }
    own.controller.manifests = {folder.path()};
  }
  DemoBackends backends;
  const std::string manifests = own.controller.manifests.front().string();
  ServeHooks hooks;
  hooks.on_snapshot = [&backends](const routing::Snapshot& snapshot) { backends.serve(snapshot); };
  hooks.on_listening = [&manifests](std::uint16_t http, std::uint16_t https) {
    print_what_to_try(http, https, manifests);
  };
  return serve(own, hooks);
}

}  // namespace cppx::app
