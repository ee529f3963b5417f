#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_tostring.hpp>

#include "controller/kube/api_client.h"
#include "controller/kube/kube_config.h"
#include "controller/kube/list_watch.h"
#include "controller/kube/object_sink.h"
#include "controller/kube/task.h"

/// Results are shown as their error.
template <class T>
struct Catch::StringMaker<boost::system::result<T, cppx::Error>> {
  static std::string convert(const boost::system::result<T, cppx::Error>& result) {
    return result ? std::string("a value") : "error: " + result.error().detail;
  }
};

namespace cppx::controller::test {

/// Runs the io_context until the condition holds; false when it still does not after ten seconds.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition);

/// Compressed (RFC 1952).
std::string gzip(const std::string& text);

/// Runs a coroutine to its end and gives its result.
template <class T>
T run_task(boost::asio::io_context& io, Task<T> task) {
  std::optional<T> result;
  boost::asio::co_spawn(
      io.get_executor(), std::move(task),
      [&result](const std::exception_ptr& failure, T value) {
        if (failure) std::rethrow_exception(failure);
        result.emplace(std::move(value));
      }
  );
  if (!run_until(io, [&result] { return result.has_value(); }))
    throw std::runtime_error("the task has not ended");
  return std::move(*result);
}

/// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  /// Writes a file and gives its path.
  std::filesystem::path write(const std::string& name, std::string_view text) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Config that reaches `url` without credentials.
KubeConfig plain_config(const std::string& url);

/// Delays short enough for a test.
ListWatchOptions quick_list_watch();

/// Remembers what a source says, as a Store would.
class RecordingSink final : public ObjectSink {
 public:
  void replaced(Kind kind, const std::string& ns, std::vector<Object> objects) override;
  void upserted(Object object) override;
  void removed(Kind kind, const ObjectKey& key) override;
  void source_changed(const SourceState& state) override { states.push_back(state); }

  /// resourceVersion of what is held, empty when it is not.
  [[nodiscard]] std::string version_of(Kind kind, const std::string& ns, const std::string& name)
      const;
  [[nodiscard]] bool has(Kind kind, const std::string& ns, const std::string& name) const {
    return !version_of(kind, ns, name).empty();
  }
  [[nodiscard]] std::size_t count(Kind kind) const;

  std::map<std::pair<Kind, ObjectKey>, std::string> versions;
  std::vector<SourceState> states;
  unsigned replaces = 0;
  unsigned upserts = 0;
  unsigned removals = 0;
};

/// A Service, Secret, ... as JSON, small but complete.
nlohmann::json service_json(const std::string& ns, const std::string& name);
nlohmann::json secret_json(const std::string& ns, const std::string& name, const std::string& type);

/// PEM texts of a throw-away authority and of certificates signed by it.
struct TestPki {
  std::string ca;
  std::string server_certificate;  ///< For 127.0.0.1 and localhost.
  std::string server_key;
  std::string client_certificate;
  std::string client_key;
};
const TestPki& test_pki();

}  // namespace cppx::controller::test
