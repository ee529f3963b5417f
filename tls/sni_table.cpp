#include "tls/sni_table.h"

#include <cassert>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "routing/match/host_index.h"
#include "tls/certificate.h"

namespace cppx::tls {

SniTable::SniTable(std::shared_ptr<const Certificate> fallback) {
  assert(fallback);
  indices_.emplace(fallback.get(), 0);
  certificates_.push_back(std::move(fallback));
}

bool SniTable::add(std::string_view host, std::shared_ptr<const Certificate> certificate) {
  if (!certificate) return false;
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto next = static_cast<std::uint32_t>(certificates_.size());
  const auto known = indices_.find(certificate.get());
  const std::uint32_t index = known == indices_.end() ? next : known->second;
  if (!index_.add(host, index, routing::WildcardLabels::kOne)) return false;
  if (index == next) {
    indices_.emplace(certificate.get(), next);
    certificates_.push_back(std::move(certificate));
  }
  entries_.push_back({.host = to_lower(host), .certificate = index});
  return true;
}

const Certificate& SniTable::find(std::string_view server_name) const noexcept {
  const std::uint32_t index = index_.find(server_name);
  return index == routing::HostIndex::kNone ? fallback() : *certificates_[index];
}

}  // namespace cppx::tls
