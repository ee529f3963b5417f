#include "controller/cache/snapshot_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "controller/cache/cache_file.h"
#include "controller/cache/cached_start.h"
#include "controller/controller.h"
#include "routing/snapshot.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using namespace std::chrono_literals;

Object service(const std::string& name) {
  Service out;
  out.meta.key = {"shop", name};
  out.ports.push_back(
      {.name = {}, .port = 80, .target_port = std::uint16_t{8080}, .app_protocol = {}}
  );
  return out;
}

Object secret(const std::string& name) {
  Secret out;
  out.meta.key = {"shop", name};
  out.type = "kubernetes.io/tls";
  out.data = {{"tls.key", "very secret"}};
  return out;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A cache in a folder of its own, of a Store with a Service and a Secret.
struct CacheSetup {
  CacheSetup() {
    store.apply(service("web"));
    store.apply(secret("cert"));
  }

  std::unique_ptr<SnapshotCache> open(const std::string& key = {}) {
    SnapshotCacheOptions options;
    options.folder = folder.path();
    if (!key.empty()) options.key_file = folder.write("key", key);
    options.interval = 1ms;
    return SnapshotCache::open(io, options, store).value();
  }
  /// Writes the store, and ends the writer.
  std::filesystem::path save(const std::string& key = {}) {
    const auto cache = open(key);
    cache->changed();
    cache->stop();
    return cache->file();
  }
  std::vector<Object> load(const std::string& key = {}) { return open(key)->load(); }

  boost::asio::io_context io{1};
  TemporaryFolder folder;
  Store store;
};

const std::string kKey(32, 'k');

}  // namespace

TEST_CASE("SnapshotCache: keeps all but Secrets, for the owner only", "[controller]") {
  CacheSetup test;
  CHECK(test.load().empty());
  const auto file = test.save();
  CHECK(test.load() == std::vector<Object>{service("web")});
  CHECK(read(file).find("cert") == std::string::npos);
  struct stat status{};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  // Nothing is left of the way it was written.
  CHECK(std::distance(std::filesystem::directory_iterator(test.folder.path()), {}) == 1);
}

TEST_CASE("SnapshotCache: with a key Secrets are kept, encrypted", "[controller]") {
  CacheSetup test;
  const auto file = test.save(kKey);
  const std::string text = read(file);
  CHECK(text.find("very secret") == std::string::npos);
  CHECK(text.find("cert") == std::string::npos);
  CHECK(test.load(kKey) == std::vector<Object>{secret("cert"), service("web")});
  SECTION("not without the key") { CHECK(test.load() == std::vector<Object>{service("web")}); }
  SECTION("not with another") {
    CHECK(test.load(std::string(32, 'x')) == std::vector<Object>{service("web")});
  }
  SECTION("each time by another nonce") {
    test.save(kKey);
    CHECK(read(file) != text);
    CHECK(test.load(kKey).size() == 2);
  }
  SECTION("a longer text is a key too, with or without a line end") {
    test.save("a text that is longer than thirty-two bytes\n");
    CHECK(test.load("a text that is longer than thirty-two bytes").size() == 2);
    CHECK(test.load(kKey).size() == 1);
  }
}

TEST_CASE("SnapshotCache: a broken or foreign file is not used", "[controller]") {
  CacheSetup test;
  const auto file = test.save();
  const std::string good = read(file);
  REQUIRE(test.load().size() == 1);
  std::vector<std::string> bad = {
      "",
      "\n",
      "nonsense\n",
      "cppx-snapshot-cache 1\n",
      "cppx-snapshot-cache 2" + good.substr(21),
      good + "more\n",
      good + "\n",
      "{}\n" + good,
  };
  // Every cut, and every bit of it.
  for (std::size_t size = 0; size < good.size(); size += 7) bad.push_back(good.substr(0, size));
  for (std::size_t at = 0; at < good.size(); ++at) {
    bad.push_back(good);
    bad.back()[at] = static_cast<char>(bad.back()[at] ^ 1);
  }
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK(read_cache_text(text, nullptr).has_error());
  }
  test.folder.write(file.filename().string(), "something else\n");
  CHECK(test.load().empty());
}

TEST_CASE("CacheKey: what was changed or sealed for something else does not open", "[controller]") {
  const TemporaryFolder folder;
  const auto key = CacheKey::read(folder.write("key", kKey)).value();
  const std::string sealed = key.seal("text", "context").value();
  CHECK(key.open(sealed, "context") == "text");
  CHECK_FALSE(key.open(sealed, "other"));
  CHECK_FALSE(key.open("", "context"));
  CHECK_FALSE(key.open(sealed.substr(1), "context"));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    std::string changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK_FALSE(key.open(changed, "context"));
  }
  CHECK(key.open(key.seal("", "").value(), "") == "");
  CHECK(CacheKey::read(folder.write("short", std::string(31, 'k'))).has_error());
  CHECK(CacheKey::read(folder.write("blank", std::string(40, ' '))).has_error());
  CHECK(CacheKey::read(folder.path() / "none").error().code == Errc::kNotFound);
}

TEST_CASE("SnapshotCache: many changes are few writes, and the last one counts", "[controller]") {
  CacheSetup test;
  const auto cache = test.open();
  for (int i = 0; i < 200; ++i) {
    test.store.apply(service("web-" + std::to_string(i)));
    cache->changed();
    test.io.run_one_for(100us);
    if (test.io.stopped()) test.io.restart();
  }
  cache->stop();
  CHECK(cache->load().size() == 201);
}

TEST_CASE("SnapshotCache: a folder that cannot be used is an error", "[controller]") {
  CacheSetup test;
  SnapshotCacheOptions options;
  options.folder = test.folder.path() / "none";
  const auto opened = SnapshotCache::open(test.io, options, test.store);
  REQUIRE(opened.has_error());
  CHECK(
      opened.error().detail ==
      "--snapshot-cache: " + options.folder.string() + ": No such file or directory"
  );
}

TEST_CASE("SnapshotCache: a write that fails leaves the file as it was", "[controller]") {
  CacheSetup test;
  const auto file = test.save();
  const std::string good = read(file);
  const auto cache = test.open();
  // The name it would be written under next to it is taken by a folder.
  const auto taken = file.parent_path() / (".objects.cache." + std::to_string(::getpid()));
  std::filesystem::create_directories(taken / "in");
  test.store.apply(service("new"));
  cache->changed();
  cache->stop();
  CHECK(read(file) == good);
}

TEST_CASE("CachedStart: the server's state replaces the cached one as a whole", "[controller]") {
  boost::asio::io_context io{1};
  Store store;
  int served = 0;
  CachedStart start(
      io, {service("old"), service("both"), secret("gone")}, store, [&] { ++served; }, 1ms
  );
  CHECK(store.services().empty());
  SECTION("that was served") {
    REQUIRE(run_until(io, [&] { return start.serving(); }));
    CHECK(served == 1);
    CHECK(store.services().size() == 2);
    CHECK(store.secrets().size() == 1);
  }
  SECTION("that was not") {}
  start.aside().apply(service("both"));
  start.aside().apply(service("new"));
  start.complete();
  REQUIRE(store.services().size() == 2);
  CHECK(store.services().contains({"shop", "both"}));
  CHECK(store.services().contains({"shop", "new"}));
  CHECK(store.secrets().empty());
  io.restart();
  io.run_for(5ms);
  CHECK(store.services().size() == 2);
}

TEST_CASE("Controller: that the cache is served is known before it is", "[controller]") {
  CacheSetup test;
  test.save();
  struct Sink final : routing::SnapshotSink {
    void publish(std::shared_ptr<const routing::Snapshot>) override {
      if (!std::exchange(was_told, true)) told.set_value(controller->status().from_cache);
    }
    Controller* controller = nullptr;
    bool was_told = false;
    std::promise<bool> told;
  } sink;
  ControllerOptions options;
  options.apiserver_host = "http://127.0.0.1:1";
  options.snapshot_cache = test.folder.path();
  Controller controller(std::move(options), sink);
  sink.controller = &controller;
  REQUIRE(controller.start().has_value());
  CHECK(sink.told.get_future().get());
}

}  // namespace cppx::controller::test
