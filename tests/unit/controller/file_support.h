#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace cppx::controller::test {

/// A folder of its own for one test, removed with all in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }
  /// Opens, writes, closes.
  void write(std::string_view name, std::string_view text) const;

 private:
  std::filesystem::path path_;
};

/// A Service with one port, as YAML.
std::string service_yaml(std::string_view name, int port = 80);

/// Runs the io_context until the condition holds; false after ten seconds.
template <class Condition>
bool run_until(boost::asio::io_context& io, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(100));
  }
  return true;
}

}  // namespace cppx::controller::test
