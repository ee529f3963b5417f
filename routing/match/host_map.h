#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/huge_pages.h"
#include "routing/match/host_index.h"

namespace cppx::routing {

/// Host names and wildcards to values. Immutable; `with` makes another one that shares all it can:
/// the names are divided by their hash into shards, and only those that change are made anew.
/// Look-up follows the rules of HostIndex, allocates nothing and takes hostile input.
///
/// `Value` is shared by the maps. An `Entry`, of a few words, is what a look-up finds, so that it
/// need not look into the value: Entry::of(const Value&) makes it.
template <class Value, class Entry>
class HostMap {
 public:
  using Pointer = std::shared_ptr<const Value>;
  /// Lower case names to their new values; null: the name is taken out.
  using Changes = std::map<std::string, Pointer>;

  /// Names that a HostIndex does not take are left out.
  [[nodiscard]] HostMap with(const Changes& changes) const;

  /// `host` without port, any case, one trailing dot allowed. Null when nothing matches. The entry
  /// lives as long as this map, and so does what it points to.
  [[nodiscard]] const Entry* find(std::string_view host) const noexcept;

  /// What this very name has, "*.example.com" among them, lower case; null when it has nothing.
  [[nodiscard]] Pointer get(std::string_view name) const;

  /// Calls `visit` (name, value) for each name, in no order.
  template <class Visit>
  void for_each(Visit visit) const;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  /// Few enough to be copied for each change, many enough to make little of each change.
  static constexpr std::size_t kShards = 32;

  struct Shard {
    HostIndex index;  // to places in values
    std::vector<Pointer> values;
    std::vector<Entry, HugePageAllocator<Entry>> entries;  // one for each slot of index
  };
  using ShardChanges = std::vector<const typename Changes::value_type*>;

  // Not of the half that decides the slot.
  static std::size_t shard_of(std::uint64_t hash) noexcept { return (hash >> 40) % kShards; }
  static std::size_t shard_of_name(std::string_view name) noexcept {
    const bool wildcard = name.starts_with("*.");
    return shard_of(HostIndex::hash(name.substr(wildcard ? 1 : 0), wildcard));
  }
  static std::shared_ptr<const Shard> changed(
      const Shard* old, const ShardChanges& changes, const Changes& all
  );

  std::array<std::shared_ptr<const Shard>, kShards> shards_;  // null: without names
  std::size_t size_ = 0;
  bool has_wildcards_ = false;
};

template <class Value, class Entry>
HostMap<Value, Entry> HostMap<Value, Entry>::with(const Changes& changes) const {
  std::array<ShardChanges, kShards> divided;
  for (const auto& change : changes) divided[shard_of_name(change.first)].push_back(&change);
  HostMap out = *this;
  for (std::size_t i = 0; i < kShards; ++i)
    if (!divided[i].empty()) out.shards_[i] = changed(shards_[i].get(), divided[i], changes);
  out.size_ = 0;
  out.has_wildcards_ = false;
  for (const auto& shard : out.shards_) {
    if (shard == nullptr) continue;
    out.size_ += shard->index.size();
    out.has_wildcards_ |= shard->index.has_wildcards();
  }
  return out;
}

template <class Value, class Entry>
auto HostMap<Value, Entry>::changed(
    const Shard* old, const ShardChanges& changes, const Changes& all
) -> std::shared_ptr<const Shard> {
  auto made = std::make_shared<Shard>();
  const std::size_t most = (old == nullptr ? 0 : old->values.size()) + changes.size();
  made->index.reserve(most);
  made->values.reserve(most);
  const auto add = [&](std::string_view name, const Pointer& value) {
    if (value != nullptr && made->index.add(name, static_cast<std::uint32_t>(made->values.size())))
      made->values.push_back(value);
  };
  for (const auto* change : changes) add(change->first, change->second);
  if (old != nullptr)
    old->index.for_each([&](const std::string& name, WildcardLabels, std::uint32_t place) {
      if (!all.contains(name)) add(name, old->values[place]);
    });
  if (made->values.empty()) return nullptr;
  made->entries.resize(made->index.slots());
  for (std::size_t slot = 0; slot < made->entries.size(); ++slot)
    if (const std::uint32_t place = made->index.value_at(slot); place != HostIndex::kNone)
      made->entries[slot] = Entry::of(*made->values[place]);
  return made;
}

template <class Value, class Entry>
const Entry* HostMap<Value, Entry>::find(std::string_view host) const noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  // What cannot be found is not hashed: it may be of any length.
  if (host.empty() || host.size() > HostIndex::kLongestName) return nullptr;
  const std::uint64_t hash = HostIndex::hash(host, false);
  if (const Shard* const shard = shards_[shard_of(hash)].get(); shard != nullptr) {
    // Together with the slot, which says whether it is this one.
    __builtin_prefetch(shard->entries.data() + shard->index.first_slot(hash));
    const std::uint32_t slot = shard->index.find_exact(host, hash);
    if (slot != HostIndex::kNone) return &shard->entries[slot];
  }
  if (!has_wildcards_) return nullptr;
  const Entry* const none = nullptr;
  return HostIndex::find_wildcard(host, 0, none, [&](std::string_view suffix, bool deep) {
    const std::uint64_t suffix_hash = HostIndex::hash(suffix, true);
    const Shard* const shard = shards_[shard_of(suffix_hash)].get();
    if (shard == nullptr) return none;
    const std::uint32_t slot = shard->index.find_suffix(suffix, suffix_hash, deep);
    return slot == HostIndex::kNone ? none : &shard->entries[slot];
  });
}

template <class Value, class Entry>
auto HostMap<Value, Entry>::get(std::string_view name) const -> Pointer {
  const bool wildcard = name.starts_with("*.");
  if (wildcard) name.remove_prefix(1);
  const std::uint64_t hash = HostIndex::hash(name, wildcard);
  const Shard* const shard = shards_[shard_of(hash)].get();
  if (shard == nullptr) return nullptr;
  const std::uint32_t slot =
      wildcard ? shard->index.find_suffix(name, hash, false) : shard->index.find_exact(name, hash);
  return slot == HostIndex::kNone ? nullptr : shard->values[shard->index.value_at(slot)];
}

template <class Value, class Entry>
template <class Visit>
void HostMap<Value, Entry>::for_each(Visit visit) const {
  for (const auto& shard : shards_)
    if (shard != nullptr)
      shard->index.for_each([&](std::string name, WildcardLabels, std::uint32_t place) {
        visit(std::move(name), shard->values[place]);
      });
}

}  // namespace cppx::routing
