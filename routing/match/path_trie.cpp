#include "routing/match/path_trie.h"

#include <algorithm>

namespace cppx::routing {
namespace {

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

/// The elements, one after the other.
class ElementReader {
 public:
  explicit ElementReader(const Elements& elements) noexcept
      : rest_(elements.text), more_(!elements.root) {}

  [[nodiscard]] bool more() const noexcept { return more_; }

  std::string_view next() noexcept {
    const std::size_t end = rest_.find('/');
    const std::string_view element = rest_.substr(0, end);
    more_ = end != std::string_view::npos;
    rest_ = more_ ? rest_.substr(end + 1) : std::string_view();
    return element;
  }

 private:
  std::string_view rest_;
  bool more_;
};

}  // namespace

const PathTrie::Node* PathTrie::find_child(const Node& node, std::string_view element)
    const noexcept {
  const auto less = [this](std::uint32_t child, std::string_view text) {
    return nodes_[child].element < text;
  };
  const auto at = std::lower_bound(node.children.begin(), node.children.end(), element, less);
  if (at == node.children.end() || nodes_[*at].element != element) return nullptr;
  return &nodes_[*at];
}

PathTrie::Node& PathTrie::make_node(std::string_view path) {
  Node* node = &root_;
  for (ElementReader reader(elements_of(path)); reader.more();) {
    const std::string_view element = reader.next();
    const auto less = [this](std::uint32_t child, std::string_view text) {
      return nodes_[child].element < text;
    };
    const auto at = std::lower_bound(node->children.begin(), node->children.end(), element, less);
    if (at != node->children.end() && nodes_[*at].element == element) {
      node = &nodes_[*at];
      continue;
    }
    const auto index = static_cast<std::uint32_t>(nodes_.size());
    node->children.insert(at, index);
    nodes_.emplace_back().element = element;
    node = &nodes_.back();
  }
  return *node;
}

bool PathTrie::add(PathType type, std::string_view path, RouteIndex route) {
  Node& node = make_node(path);
  const bool trailing_slash = elements_of(path).trailing_slash;
  RouteIndex* place = nullptr;
  if (type == PathType::kExact)
    place = trailing_slash ? &node.exact_slash : &node.exact;
  else
    place = trailing_slash ? &node.prefix_slash : &node.prefix;
  if (*place != kNoRoute) return false;
  *place = route;
  return true;
}

PathMatch PathTrie::match(std::string_view normalized_path) const noexcept {
  const Elements elements = elements_of(normalized_path);
  RouteIndex best = kNoRoute;
  const Node* node = &root_;
  for (ElementReader reader(elements); reader.more();) {
    if (node->prefix != kNoRoute) best = node->prefix;
    if (node->prefix_slash != kNoRoute) best = node->prefix_slash;
    node = find_child(*node, reader.next());
    if (node == nullptr) return {.route = best, .add_slash = false};
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
