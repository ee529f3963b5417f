#include "routing/match/host_index.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "routing/match/name_hash.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kFirstSlots = 16;

std::uint64_t hash_host(std::string_view name, bool wildcard) noexcept {
  return hash_name<LetterCase::kLowered>(name, wildcard ? 1 : 0);
}

constexpr std::uint64_t depth_bit(std::size_t labels) noexcept {
  return 1ULL << std::min<std::size_t>(labels, 63);
}

constexpr std::uint32_t tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

std::string_view HostIndex::name_of(const Slot& slot) const noexcept {
  return std::string_view(names_).substr(slot.offset, slot.length);
}

const HostIndex::Slot* HostIndex::find_slot(std::string_view name, bool wildcard) const noexcept {
  if (slots_.empty()) return nullptr;
  const std::uint64_t hash = hash_host(name, wildcard);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.value == kNone) return nullptr;
    if (slot.tag == tag_of(hash) && (slot.kind != Kind::kExact) == wildcard &&
        equals_lowered(name, name_of(slot)))
      return &slot;
  }
}

void HostIndex::insert(std::uint64_t hash, Slot slot) noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  while (slots_[i].value != kNone) i = (i + 1) & mask;
  slots_[i] = slot;
}

void HostIndex::grow() {
  std::vector<Slot> old(std::max(kFirstSlots, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old)
    if (slot.value != kNone) insert(hash_host(name_of(slot), slot.kind != Kind::kExact), slot);
}

bool HostIndex::add(std::string_view name, std::uint32_t value, WildcardLabels labels) {
  const bool wildcard = name.starts_with("*.");
  if (wildcard) name.remove_prefix(1);
  if (name.size() <= (wildcard ? 1U : 0U) || name.size() > kLongestName || value == kNone ||
      names_.size() + name.size() > std::numeric_limits<std::uint32_t>::max())
    return false;
  if (find_slot(name, wildcard) != nullptr) return false;

  // At most five of eight slots are taken: a search for what is not there stays short.
  if ((count_ + 1) * 8 > slots_.size() * 5) grow();
  Slot slot{
      .tag = tag_of(hash_host(name, wildcard)),
      .value = value,
      .offset = static_cast<std::uint32_t>(names_.size()),
      .length = static_cast<std::uint8_t>(name.size()),
      .kind = Kind::kExact,
  };
  if (wildcard) {
    slot.kind = labels == WildcardLabels::kOne ? Kind::kOneLabel : Kind::kOneOrMoreLabels;
    has_wildcards_ = true;
    if (slot.kind == Kind::kOneOrMoreLabels)
      deep_wildcards_ |= depth_bit(static_cast<std::size_t>(std::ranges::count(name, '.')));
  }
  names_ += to_lower(name);
  insert(hash_host(name, wildcard), slot);
  ++count_;
  return true;
}

std::uint32_t HostIndex::find(std::string_view host) const noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > kLongestName) return kNone;
  if (const Slot* slot = find_slot(host, false)) return slot->value;
  if (!has_wildcards_) return kNone;

  std::size_t dot = host.find('.');
  if (dot == 0 || dot == std::string_view::npos) return kNone;
  if (const Slot* slot = find_slot(host.substr(dot), true)) return slot->value;
  if (deep_wildcards_ == 0) return kNone;

  auto labels = static_cast<std::size_t>(std::ranges::count(host, '.'));  // of the suffix at `dot`
  for (dot = host.find('.', dot + 1); dot != std::string_view::npos;
       dot = host.find('.', dot + 1)) {
    --labels;
    if ((deep_wildcards_ & depth_bit(labels)) == 0) continue;
    const Slot* slot = find_slot(host.substr(dot), true);
    if (slot != nullptr && slot->kind == Kind::kOneOrMoreLabels) return slot->value;
  }
  return kNone;
}

}  // namespace cppx::routing
