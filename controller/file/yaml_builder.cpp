#include "controller/file/yaml_builder.h"

#include <yaml-cpp/exceptions.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "controller/file/document.h"
#include "controller/file/yaml_scalar.h"

namespace cppx::controller {
namespace {

// What a document may come to in memory, roughly in bytes: each node costs this much beside its
// text.
constexpr std::size_t kMaxSize = 256UL << 20;
constexpr std::size_t kNodeSize = 32;

[[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) {
  throw YAML::ParserException(mark, what);
}

}  // namespace

void YamlBuilder::OnDocumentStart(const YAML::Mark& mark) { beginning_ = mark; }

void YamlBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (expects_key()) fail(mark, "a key is missing");
  remember(anchor, nullptr, kNodeSize);
  add(mark, nullptr);
}

void YamlBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const auto it = anchors_.find(anchor);
  if (it == anchors_.end()) fail(mark, "an alias within what it stands for");
  if (expects_key()) {
    if (!it->second.value.is_string()) fail(mark, "a key must be text");
    add_key(mark, it->second.value.get_ref<const std::string&>(), false);
    return;
  }
  grow(mark, it->second.size);
  add(mark, it->second.value);
}

void YamlBuilder::OnScalar(
    const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value
) {
  if (expects_key()) {
    remember(anchor, value, kNodeSize + value.size());
    add_key(mark, value, tag == "?" && value == "<<");
    return;
  }
  nlohmann::json scalar = resolve_yaml_scalar(tag, value);
  remember(anchor, scalar, kNodeSize + value.size());
  grow(mark, value.size());
  add(mark, std::move(scalar));
}

void YamlBuilder::OnSequenceStart(
    const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value
) {
  start(mark, anchor, nlohmann::json::array());
}

void YamlBuilder::OnSequenceEnd() { end(); }

void YamlBuilder::OnMapStart(
    const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value
) {
  start(mark, anchor, nlohmann::json::object());
}

void YamlBuilder::OnMapEnd() {
  // A key of the map itself wins over a merged one, an earlier merge over a later one.
  Frame& frame = stack_.back();
  for (const nlohmann::json& merge : frame.merges)
    for (auto it = merge.begin(); it != merge.end(); ++it)
      if (!frame.value.contains(it.key())) frame.value[it.key()] = it.value();
  end();
}

void YamlBuilder::start(const YAML::Mark& mark, YAML::anchor_t anchor, nlohmann::json value) {
  if (expects_key()) fail(mark, "a key must be text");
  if (stack_.size() >= kMaxDocumentDepth) fail(mark, "nested too deep");
  if (!std::exchange(started_, true)) line_ = mark.line;
  Frame& frame = stack_.emplace_back();
  frame.value = std::move(value);
  frame.anchor = anchor;
  frame.mark = mark;
  frame.start_size = size_;
}

void YamlBuilder::end() {
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  remember(frame.anchor, frame.value, size_ - frame.start_size + kNodeSize);
  add(frame.mark, std::move(frame.value));
}

void YamlBuilder::add(const YAML::Mark& mark, nlohmann::json value) {
  if (!std::exchange(started_, true)) line_ = mark.line;
  grow(mark, kNodeSize);
  if (stack_.empty()) {
    root_ = std::move(value);
    return;
  }
  Frame& frame = stack_.back();
  if (frame.value.is_array()) {
    frame.value.push_back(std::move(value));
    return;
  }
  const std::string key = *std::exchange(frame.key, std::nullopt);
  if (std::exchange(frame.key_is_merge, false))
    add_merge(mark, std::move(value));
  else
    frame.value[key] = std::move(value);
}

void YamlBuilder::add_key(const YAML::Mark& mark, std::string key, bool is_merge) {
  Frame& frame = stack_.back();
  if (!is_merge && frame.value.contains(key)) fail(mark, "key \"" + key + "\" is given twice");
  grow(mark, kNodeSize + key.size());
  frame.key = std::move(key);
  frame.key_is_merge = is_merge;
}

void YamlBuilder::add_merge(const YAML::Mark& mark, nlohmann::json value) {
  auto& merges = stack_.back().merges;
  if (value.is_object()) {
    merges.push_back(std::move(value));
    return;
  }
  if (!value.is_array()) fail(mark, "\"<<\" merges maps only");
  for (nlohmann::json& item : value) {
    if (!item.is_object()) fail(mark, "\"<<\" merges maps only");
    merges.push_back(std::move(item));
  }
}

void YamlBuilder::remember(YAML::anchor_t anchor, const nlohmann::json& value, std::size_t size) {
  if (anchor == 0) return;
  grow(YAML::Mark::null_mark(), size);
  anchors_.insert_or_assign(anchor, Anchored{value, size});
}

void YamlBuilder::grow(const YAML::Mark& mark, std::size_t by) {
  size_ += by;
  if (size_ > kMaxSize) fail(mark, "too large, its aliases included");
}

bool YamlBuilder::expects_key() const {
  return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().key;
}

}  // namespace cppx::controller
