#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "app/commands.h"
#include "app/flags.h"
#include "tls/library.h"

namespace {

/// Standard streams that were closed by who started us lead nowhere: otherwise the next sockets
/// would have their numbers, and clients would get our logs.
void open_closed_streams() {
  int opened = 0;
  while (opened <= STDERR_FILENO) {
    opened = ::open("/dev/null", O_RDWR);
    if (opened < 0) return;
  }
  ::close(opened);
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_streams();
  // A write to a closed socket is an error code where it happens, never the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  // What they ask for is done while it serves; before and after that they must not end it.
  std::signal(SIGUSR1, SIG_IGN);
  std::signal(SIGUSR2, SIG_IGN);
  cppx::tls::leave_out_legacy_names();
  const cppx::app::ParsedFlags parsed = cppx::app::parse_flags(argc, argv);
  if (!parsed.flags) return parsed.exit_code;
  switch (parsed.flags->command) {
    case cppx::app::Command::kRun:
      return cppx::app::run(*parsed.flags);
    case cppx::app::Command::kDemo:
      return cppx::app::demo(*parsed.flags);
    case cppx::app::Command::kCheck:
      return cppx::app::check(*parsed.flags);
    case cppx::app::Command::kExplain:
      return cppx::app::explain(*parsed.flags);
    case cppx::app::Command::kRoutes:
      return cppx::app::routes(*parsed.flags);
  }
  return 2;
}
