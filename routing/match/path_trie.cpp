#include "routing/match/path_trie.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/match/name_hash.h"
#include "routing/match/route.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kFirstSlots = 4;

/// A path taken apart: "/a/b/" is {"a/b", false, true}; "/" and "" are {"", true, false}.
struct Elements {
  std::string_view text;
  bool root = false;  ///< No element at all (text of "//" is empty too: one empty element).
  bool trailing_slash = false;
};

Elements elements_of(std::string_view path) noexcept {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (!path.ends_with('/')) return {.text = path, .root = path.empty(), .trailing_slash = false};
  path.remove_suffix(1);
  return {.text = path, .root = false, .trailing_slash = true};
}

/// The elements, one after the other, with the hash of all elements down to each: a hash that does
/// not depend on what was found before lets the processor fetch the next slot while it compares
/// this one.
class ElementReader {
 public:
  explicit ElementReader(const Elements& elements) noexcept
      : rest_(elements.text), more_(!elements.root) {}

  [[nodiscard]] bool more() const noexcept { return more_; }

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

  std::string_view next() noexcept {
    const std::size_t end = rest_.find('/');
    const std::string_view element = rest_.substr(0, end);
    hash_ = hash_name<LetterCase::kKept>(element, hash_);
    more_ = end != std::string_view::npos;
    rest_ = more_ ? rest_.substr(end + 1) : std::string_view();
    return element;
  }

 private:
  std::string_view rest_;
  bool more_;
  std::uint64_t hash_ = 0;
};

constexpr std::uint32_t edge_tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

const PathTrie::Node& PathTrie::node_at(NodeIndex index) const noexcept {
  return index == kRoot ? root_ : nodes_[index - 1];
}

PathTrie::NodeIndex PathTrie::find_child(
    NodeIndex parent, std::string_view element, std::uint64_t hash
) const noexcept {
  if (slots_.empty()) return kRoot;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask; slots_[i].node != kRoot; i = (i + 1) & mask) {
    if (slots_[i].tag != edge_tag_of(hash)) continue;
    const Place& place = places_[slots_[i].node - 1];
    if (place.parent == parent && place.element == element) return slots_[i].node;
  }
  return kRoot;
}

void PathTrie::insert(NodeIndex node) noexcept {
  const std::uint64_t hash = places_[node - 1].hash;
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  while (slots_[i].node != kRoot) i = (i + 1) & mask;
  slots_[i] = {.tag = edge_tag_of(hash), .node = node};
}

PathTrie::NodeIndex PathTrie::make_child(
    NodeIndex parent, std::string_view element, std::uint64_t hash
) {
  if (const NodeIndex child = find_child(parent, element, hash); child != kRoot) return child;
  nodes_.emplace_back();
  places_.push_back({.parent = parent, .hash = hash, .element = std::string(element)});
  const auto child = static_cast<NodeIndex>(nodes_.size());
  // At most half of the slots are taken, so that a search for what is not there ends soon.
  if (nodes_.size() * 2 <= slots_.size()) {
    insert(child);
    return child;
  }
  slots_.assign(std::max(kFirstSlots, slots_.size() * 2), Slot());
  for (NodeIndex node = 1; node <= child; ++node) insert(node);
  return child;
}

bool PathTrie::add(PathType type, std::string_view path, RouteIndex route) {
  const Elements elements = elements_of(path);
  NodeIndex at = kRoot;
  for (ElementReader reader(elements); reader.more();) {
    const std::string_view element = reader.next();
    at = make_child(at, element, reader.hash());
  }

  Node& node = at == kRoot ? root_ : nodes_[at - 1];
  RouteIndex* place = nullptr;
  if (type == PathType::kExact)
    place = elements.trailing_slash ? &node.exact_slash : &node.exact;
  else
    place = elements.trailing_slash ? &node.prefix_slash : &node.prefix;
  if (*place != kNoRoute) return false;
  *place = route;
  return true;
}

PathMatch PathTrie::match(std::string_view normalized_path) const noexcept {
  const Elements elements = elements_of(normalized_path);
  RouteIndex best = kNoRoute;
  const Node* node = &root_;
  NodeIndex at = kRoot;
  for (ElementReader reader(elements); reader.more();) {
    if (node->prefix != kNoRoute) best = node->prefix;
    if (node->prefix_slash != kNoRoute) best = node->prefix_slash;
    const std::string_view element = reader.next();
    at = find_child(at, element, reader.hash());
    if (at == kRoot) return {.route = best, .add_slash = false};
    node = &node_at(at);
  }

  if (elements.trailing_slash) {
    for (const RouteIndex route : {node->exact_slash, node->prefix_slash, node->prefix})
      if (route != kNoRoute) return {.route = route, .add_slash = false};
    return {.route = best, .add_slash = false};
  }
  for (const RouteIndex route : {node->exact, node->prefix})
    if (route != kNoRoute) return {.route = route, .add_slash = false};
  if (node->prefix_slash != kNoRoute) return {.route = node->prefix_slash, .add_slash = true};
  return {.route = best, .add_slash = false};
}

}  // namespace cppx::routing
