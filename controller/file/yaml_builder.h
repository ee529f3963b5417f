#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace cppx::controller {

/// Makes JSON of one YAML document's events. Throws YAML::ParserException on what JSON cannot have
/// (keys that are lists), keys given twice, and documents over the limits, which keep aliases from
/// growing a small text into a huge one.
class YamlBuilder final : public YAML::EventHandler {
 public:
  /// The document, once all its events came; nothing when it was empty.
  [[nodiscard]] const std::optional<nlohmann::json>& root() const noexcept { return root_; }
  std::optional<nlohmann::json> take_root() { return std::move(root_); }
  /// Line of the first content, from 0.
  [[nodiscard]] int line() const noexcept { return line_; }
  /// Where the document began.
  [[nodiscard]] const YAML::Mark& beginning() const noexcept { return beginning_; }

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(
      const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
      const std::string& value
  ) override;
  void OnSequenceStart(
      const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
      YAML::EmitterStyle::value style
  ) override;
  void OnSequenceEnd() override;
  void OnMapStart(
      const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
      YAML::EmitterStyle::value style
  ) override;
  void OnMapEnd() override;

 private:
  struct Frame {
    nlohmann::json value;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    std::size_t start_size = 0;      // size_ before it
    std::optional<std::string> key;  // of the value that comes next, in a map
    bool key_is_merge = false;
    std::vector<nlohmann::json> merges;
  };
  struct Anchored {
    nlohmann::json value;
    std::size_t size = 0;
  };

  void start(const YAML::Mark& mark, YAML::anchor_t anchor, nlohmann::json value);
  void end();
  void add(const YAML::Mark& mark, nlohmann::json value);
  void add_key(const YAML::Mark& mark, std::string key, bool is_merge);
  void add_merge(const YAML::Mark& mark, nlohmann::json value);
  void remember(YAML::anchor_t anchor, const nlohmann::json& value, std::size_t size);
  void grow(const YAML::Mark& mark, std::size_t by);
  [[nodiscard]] bool expects_key() const;

  std::optional<nlohmann::json> root_;
  int line_ = 0;
  YAML::Mark beginning_;
  bool started_ = false;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t size_ = 0;  // nodes and bytes of text so far, copies of aliases included
};

}  // namespace cppx::controller
