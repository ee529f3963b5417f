// From the ring of a worker to a file: LogRing, LogDestination, AccessLogWriter.

#include "proxy/observe/access_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include <catch2/catch_test_macros.hpp>

#include "proxy/observe/access_log_writer.h"
#include "proxy/observe/log_destination.h"
#include "proxy/observe/log_ring.h"

namespace cppx::proxy {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "cppx-log-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string taken(LogRing& ring) {
  const auto pieces = ring.pending();
  std::string text = std::string(pieces[0]) + std::string(pieces[1]);
  ring.consume(text.size());
  return text;
}

template <class Condition>
bool becomes(Condition condition) {
  for (const auto end = std::chrono::steady_clock::now() + 10s;
       std::chrono::steady_clock::now() < end; std::this_thread::yield())
    if (condition()) return true;
  return false;
}

void put(AccessLogWriter& writer, LogRing& ring, std::string_view line) {
  CHECK(ring.push(line));
  writer.notify();
}

}  // namespace

TEST_CASE("LogRing: lines come out as they went in, over its end too", "[proxy]") {
  LogRing ring(16);
  CHECK(ring.empty());
  std::string in;
  std::string out;
  for (int i = 0; i < 100; ++i) {
    const std::string line =
        std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26)) + "\n";
    CHECK(ring.push(line));
    CHECK_FALSE(ring.empty());
    in += line;
    out += taken(ring);
    CHECK(ring.empty());
  }
  CHECK(out == in);
}

TEST_CASE("LogRing: a line without room is refused whole", "[proxy]") {
  LogRing ring(16);
  CHECK_FALSE(ring.push("0123456789abcdef\n"));
  CHECK(ring.push("0123456789abcd\n"));
  CHECK_FALSE(ring.push("x\n"));
  CHECK(ring.push("\n"));
  CHECK_FALSE(ring.push("\n"));
  CHECK(taken(ring) == "0123456789abcd\n\n");
  CHECK(ring.push("x\n"));
  CHECK(taken(ring) == "x\n");
}

TEST_CASE("LogRing: two threads", "[proxy]") {
  LogRing ring(256);
  constexpr int kLines = 20000;
  std::thread worker([&ring] {
    for (int i = 0; i < kLines; ++i)
      while (!ring.push(std::to_string(i) + "\n")) std::this_thread::yield();
  });
  std::string all;
  for (int lines = 0; lines < kLines;) {
    const std::string some = taken(ring);
    lines += static_cast<int>(std::ranges::count(some, '\n'));
    all += some;
  }
  worker.join();
  std::string expected;
  for (int i = 0; i < kLines; ++i) expected += std::to_string(i) + "\n";
  CHECK(all == expected);
}

TEST_CASE("LogDestination: a file is appended to, and seen to be replaced", "[proxy]") {
  const Folder folder;
  const std::string path = folder.file("access.log");
  LogDestination destination;
  REQUIRE(destination.open(path).has_value());
  CHECK(destination.write({"one\n", "two\n"}).bytes == 8);
  CHECK_FALSE(destination.within_line());
  CHECK_FALSE(destination.replaced());
  fs::rename(path, folder.file("old.log"));
  CHECK(destination.replaced());
  destination.write({"three\n", ""});
  REQUIRE(destination.open(path).has_value());
  CHECK_FALSE(destination.replaced());
  destination.write({"four\n", ""});
  CHECK(content(folder.file("old.log")) == "one\ntwo\nthree\n");
  CHECK(content(path) == "four\n");
}

TEST_CASE("LogDestination: a line that was left is ended before the next", "[proxy]") {
  const Folder folder;
  LogDestination destination;
  REQUIRE(destination.open(folder.file("a")).has_value());
  destination.write({"half of", ""});
  CHECK(destination.within_line());
  destination.abandon_line();
  destination.write({"whole\n", ""});
  CHECK(content(folder.file("a")) == "half of\nwhole\n");
}

TEST_CASE("LogDestination: what cannot be opened is told", "[proxy]") {
  const Folder folder;
  LogDestination destination;
  const auto opened = destination.open(folder.file("no/such/folder"));
  REQUIRE(opened.has_error());
  CHECK(opened.error().detail.find("No such file") != std::string::npos);
  CHECK_FALSE(destination.is_open());
}

TEST_CASE("LogDestination: nobody is waited for who does not read", "[proxy]") {
  const Folder folder;
  const std::string path = folder.file("pipe");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  LogDestination destination;
  REQUIRE(destination.open(path).has_value());
  const std::string line = std::string(999, 'x') + "\n";
  LogDestination::Written written;
  std::size_t total = 0;
  while (written.status == LogDestination::Status::kOk) {
    written = destination.write({line, ""});
    total += written.bytes;
  }
  CHECK(written.status == LogDestination::Status::kWouldBlock);
  CHECK(total >= 1000);
  ::close(reader);
  std::signal(SIGPIPE, SIG_IGN);  // as the program does
  CHECK(destination.write({line, ""}).status == LogDestination::Status::kFailed);
}

TEST_CASE("AccessLogWriter: lines of all rings reach the file, those of the end too", "[proxy]") {
  const Folder folder;
  const std::string path = folder.file("access.log");
  AccessLogWriter writer;
  LogRing& first = writer.add_ring();
  LogRing& second = writer.add_ring();
  writer.set_destination(path);
  REQUIRE(writer.start().has_value());
  put(writer, first, "one\n");
  CHECK(becomes([&] { return content(path) == "one\n"; }));
  put(writer, second, "two\n");
  CHECK(becomes([&] { return content(path) == "one\ntwo\n"; }));
  put(writer, first, "three\n");
  put(writer, second, "four\n");
  writer.stop();
  CHECK(content(path) == "one\ntwo\nthree\nfour\n");
  CHECK(writer.lines_dropped() == 0);
}

TEST_CASE("AccessLogWriter: no line goes to where lines went before it was written", "[proxy]") {
  const Folder folder;
  constexpr int kFiles = 1000;
  AccessLogWriter writer;
  LogRing& ring = writer.add_ring();
  REQUIRE(writer.start().has_value());
  for (int file = 0; file < kFiles; ++file) {
    writer.set_destination(folder.file(std::to_string(file)));
    put(writer, ring, std::to_string(file) + "\n");
  }
  writer.stop();
  CHECK(writer.lines_dropped() == 0);
  int lines = 0;
  for (int file = 0; file < kFiles; ++file) {
    std::istringstream text(content(folder.file(std::to_string(file))));
    for (int line = 0; text >> line; ++lines)
      if (line > file) FAIL_CHECK(line << " is in " << file);
  }
  CHECK(lines == kFiles);
}

TEST_CASE("AccessLogWriter: a renamed file is opened anew at once when told", "[proxy]") {
  const Folder folder;
  const std::string path = folder.file("access.log");
  AccessLogWriter writer;
  LogRing& ring = writer.add_ring();
  REQUIRE(writer.start().has_value());
  writer.set_destination(path);
  put(writer, ring, "one\n");
  CHECK(becomes([&] { return content(path) == "one\n"; }));
  fs::rename(path, folder.file("old"));
  writer.reopen();
  CHECK(becomes([&] { return fs::exists(path); }));
  put(writer, ring, "two\n");
  CHECK(becomes([&] { return content(path) == "two\n"; }));
  // Another place altogether.
  writer.set_destination(folder.file("other"));
  CHECK(becomes([&] { return fs::exists(folder.file("other")); }));
  put(writer, ring, "three\n");
  writer.stop();
  CHECK(content(folder.file("other")) == "three\n");
  CHECK(content(folder.file("old")) == "one\n");
}

TEST_CASE("AccessLogWriter: without a destination lines are dropped and counted", "[proxy]") {
  const Folder folder;
  AccessLogWriter writer;
  LogRing& ring = writer.add_ring();
  writer.set_destination(folder.file("no/access.log"));
  REQUIRE(writer.start().has_value());
  put(writer, ring, "one\n");
  put(writer, ring, "two\n");
  CHECK(becomes([&] { return writer.lines_dropped() == 2; }));
  fs::create_directory(folder.file("no"));
  writer.reopen();
  CHECK(becomes([&] { return fs::exists(folder.file("no/access.log")); }));
  put(writer, ring, "three\n");
  writer.stop();
  CHECK(content(folder.file("no/access.log")) == "three\n");
  CHECK(writer.lines_dropped() == 2);
}

TEST_CASE("AccessLogWriter: a full disk costs lines only", "[proxy]") {
  if (!fs::exists("/dev/full")) SKIP("there is no /dev/full");
  AccessLogWriter writer;
  LogRing& ring = writer.add_ring();
  writer.set_destination("/dev/full");
  REQUIRE(writer.start().has_value());
  put(writer, ring, "one\n");
  CHECK(becomes([&] { return writer.lines_dropped() == 1; }));
  put(writer, ring, "two\n");
  writer.stop();
  CHECK(writer.lines_dropped() == 2);
}

TEST_CASE("AccessLogWriter: it ends although nobody reads the pipe", "[proxy]") {
  const Folder folder;
  const std::string path = folder.file("pipe");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  AccessLogWriter writer;
  LogRing& ring = writer.add_ring();
  writer.set_destination(path);
  REQUIRE(writer.start().has_value());
  // More than a pipe and the ring hold together.
  const std::string line = std::string(8191, 'x') + "\n";
  std::uint64_t pushed = 0;
  bool full = false;
  for (int turn = 0; turn < 1000 && !full; ++turn) {
    full = !ring.push(line);
    if (!full) ++pushed;
    writer.notify();
  }
  CHECK(full);
  writer.stop();
  CHECK(writer.lines_dropped() > 0);
  CHECK(writer.lines_dropped() < pushed);
  ::close(reader);
}

TEST_CASE("AccessLog: lines for which there is no room are counted", "[proxy]") {
  AccessLogWriter writer;  // whose thread does not run: nothing is taken out
  AccessLog log(writer);
  routing::AccessLogSettings settings;
  std::vector<std::string> unknown;
  settings.format = routing::LogFormat::compile(std::string(1000, 'x'), unknown);
  const std::size_t fit = LogRing::kUsualBytes / 1001;
  for (std::size_t i = 0; i < fit + 3; ++i)
    log.write(settings, {}, std::chrono::steady_clock::now());
  CHECK(log.lines_dropped() == 3);
}

}  // namespace cppx::proxy
