#include "routing/match/host_index.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "routing/match/name_hash.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kFewestSlots = 8;

// At most a third of the slots are taken: most searches end where they begin. One that goes on
// waits for memory again, after the processor had guessed that it would not.
constexpr std::size_t slots_for(std::size_t names) noexcept {
  return std::max(kFewestSlots, names * 3);
}

/// Never zero, which is the tag of an empty slot.
constexpr std::uint32_t slot_tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint32_t>(hash >> 32) | 1;
}

}  // namespace

std::uint64_t HostIndex::hash(std::string_view name, bool wildcard) noexcept {
  return hash_name<LetterCase::kLowered>(name, wildcard ? 1 : 0);
}

std::string_view HostIndex::name_of(const Slot& slot) const noexcept {
  if (slot.length <= Slot::kLongestInside) return {slot.name.data(), slot.length};
  return {long_names_.data() + slot.offset, slot.length};
}

std::size_t HostIndex::first_slot(std::uint64_t hash) const noexcept {
  // The lower half as a share of the number of slots, which is less than 2^32.
  return static_cast<std::size_t>(((hash & 0xffffffffU) * slots_.size()) >> 32);
}

std::size_t HostIndex::next_slot(std::size_t slot) const noexcept {
  return slot + 1 == slots_.size() ? 0 : slot + 1;
}

std::uint32_t HostIndex::find_name(std::string_view name, std::uint64_t hash, bool wildcard)
    const noexcept {
  if (slots_.empty()) return kNone;
  for (std::size_t i = first_slot(hash); slots_[i].tag != 0; i = next_slot(i)) {
    const Slot& slot = slots_[i];
    if (slot.tag == slot_tag_of(hash) && (slot.kind != Kind::kExact) == wildcard &&
        equals_lowered(name, name_of(slot)))
      return static_cast<std::uint32_t>(i);
  }
  return kNone;
}

void HostIndex::insert(std::uint64_t hash, const Slot& slot) noexcept {
  std::size_t i = first_slot(hash);
  while (slots_[i].tag != 0) i = next_slot(i);
  slots_[i] = slot;
}

void HostIndex::rehash(std::size_t slots) {
  decltype(slots_) old(slots);
  old.swap(slots_);
  for (const Slot& slot : old)
    if (slot.tag != 0) insert(hash(name_of(slot), slot.kind != Kind::kExact), slot);
}

void HostIndex::reserve(std::size_t names) {
  if (slots_for(names) > slots_.size()) rehash(slots_for(names));
}

bool HostIndex::add(std::string_view name, std::uint32_t value, WildcardLabels labels) {
  const bool wildcard = name.starts_with("*.");
  if (wildcard) name.remove_prefix(1);
  if (name.size() <= (wildcard ? 1U : 0U) || name.size() > kLongestName || value == kNone ||
      slots_for(count_ + 1) > kNone || long_names_.size() + name.size() > kNone)
    return false;
  const std::uint64_t hashed = hash(name, wildcard);
  if (find_name(name, hashed, wildcard) != kNone) return false;

  if (slots_for(count_ + 1) > slots_.size()) rehash(slots_for(count_ * 2));
  Slot slot;
  slot.tag = slot_tag_of(hashed);
  slot.value = value;
  slot.length = static_cast<std::uint8_t>(name.size());
  if (name.size() > Slot::kLongestInside) {
    slot.offset = static_cast<std::uint32_t>(long_names_.size());
    long_names_ += to_lower(name);
  } else {
    std::ranges::transform(name, slot.name.begin(), [](char c) { return to_lower(c); });
  }
  if (wildcard) {
    slot.kind = labels == WildcardLabels::kOne ? Kind::kOneLabel : Kind::kOneOrMoreLabels;
    has_wildcards_ = true;
    if (slot.kind == Kind::kOneOrMoreLabels)
      deep_wildcards_ |= depth_bit(static_cast<std::size_t>(std::ranges::count(name, '.')));
  }
  insert(hashed, slot);
  ++count_;
  return true;
}

std::uint32_t HostIndex::find_suffix(std::string_view suffix, std::uint64_t hash, bool deep)
    const noexcept {
  const std::uint32_t slot = find_name(suffix, hash, true);
  return slot != kNone && deep && slots_[slot].kind != Kind::kOneOrMoreLabels ? kNone : slot;
}

std::uint32_t HostIndex::find(std::string_view host) const noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  // What cannot be found is not hashed: it may be of any length.
  if (host.empty() || host.size() > kLongestName) return kNone;
  std::uint32_t slot = find_exact(host, hash(host, false));
  if (slot == kNone && has_wildcards_)
    slot = find_wildcard(host, deep_wildcards_, kNone, [&](std::string_view suffix, bool deep) {
      return find_suffix(suffix, hash(suffix, true), deep);
    });
  return slot == kNone ? kNone : value_at(slot);
}

}  // namespace cppx::routing
