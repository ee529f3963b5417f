#include "routing/match/host_index.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kFirstSlots = 16;

/// Hash of a name from its last byte to its first, so that one pass gives those of all its
/// suffixes.
class SuffixHash {
 public:
  void push(char c) noexcept {
    state_ = (state_ ^ static_cast<unsigned char>(to_lower(c))) * 0x100000001b3ULL;
  }

  [[nodiscard]] std::uint64_t value(bool wildcard) const noexcept {
    std::uint64_t hash = state_ ^ (wildcard ? 0x2545f4914f6cdd1dULL : 0);
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15ULL;
    return hash ^ (hash >> 29);
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

std::uint64_t hash_name(std::string_view name, bool wildcard) noexcept {
  SuffixHash hash;
  for (std::size_t i = name.size(); i > 0; --i) hash.push(name[i - 1]);
  return hash.value(wildcard);
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

const HostIndex::Slot* HostIndex::find_slot(
    std::uint64_t hash, std::string_view name, bool wildcard
) const noexcept {
  if (slots_.empty()) return nullptr;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.value == kNone) return nullptr;
    if (slot.tag == tag_of(hash) && (slot.kind != Kind::kExact) == wildcard &&
        iequals(name_of(slot), name))
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
    if (slot.value != kNone) insert(hash_name(name_of(slot), slot.kind != Kind::kExact), slot);
}

bool HostIndex::add(std::string_view name, std::uint32_t value, WildcardLabels labels) {
  const bool wildcard = name.starts_with("*.");
  if (wildcard) name.remove_prefix(1);
  if (name.size() <= (wildcard ? 1U : 0U) || name.size() > kLongestName || value == kNone ||
      names_.size() + name.size() > std::numeric_limits<std::uint32_t>::max())
    return false;
  const std::uint64_t hash = hash_name(name, wildcard);
  if (find_slot(hash, name, wildcard) != nullptr) return false;

  // At most five of eight slots are taken: a search for what is not there stays short.
  if ((count_ + 1) * 8 > slots_.size() * 5) grow();
  Slot slot{
      .tag = tag_of(hash),
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
  insert(hash, slot);
  ++count_;
  return true;
}

std::uint32_t HostIndex::find(std::string_view host) const noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > kLongestName) return kNone;

  struct Suffix {
    std::uint64_t hash;
    std::size_t begin;
  };
  std::array<Suffix, kLongestName> suffixes;  // those a wildcard may have, shortest first
  std::size_t count = 0;
  std::size_t labels = 0;
  Suffix first{.hash = 0, .begin = 0};  // behind the first label; begin 0: none
  SuffixHash hash;
  for (std::size_t i = host.size(); i-- > 0;) {
    hash.push(host[i]);
    if (host[i] != '.' || !has_wildcards_) continue;
    ++labels;
    first = {.hash = hash.value(true), .begin = i};
    if ((deep_wildcards_ & depth_bit(labels)) != 0) suffixes[count++] = first;
  }

  if (const Slot* slot = find_slot(hash.value(false), host, false)) return slot->value;
  if (first.begin == 0) return kNone;  // no dot, or an empty first label
  if (const Slot* slot = find_slot(first.hash, host.substr(first.begin), true)) return slot->value;
  while (count > 0) {
    const Suffix& suffix = suffixes[--count];
    const Slot* slot = find_slot(suffix.hash, host.substr(suffix.begin), true);
    if (slot != nullptr && slot->kind == Kind::kOneOrMoreLabels) return slot->value;
  }
  return kNone;
}

}  // namespace cppx::routing
