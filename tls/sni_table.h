#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/match/host_index.h"
#include "tls/certificate.h"

namespace cppx::tls {

/// Server names to certificates, as one snapshot has them. Immutable after the last add.
class SniTable {
 public:
  /// `fallback` is presented for unknown names and without SNI. Must not be null.
  explicit SniTable(std::shared_ptr<const Certificate> fallback);

  /// `host` is an exact name or "*.example.com" (one label), a trailing dot does not matter. The
  /// first one added for a name stays: false for the others, for no name and for no certificate.
  bool add(std::string_view host, std::shared_ptr<const Certificate> certificate);

  /// Exact name, then one-label wildcard, then the fallback. Case and a trailing dot do not matter;
  /// an empty name (no SNI) gets the fallback. The reference lives as long as the table.
  [[nodiscard]] const Certificate& find(std::string_view server_name) const noexcept;
  [[nodiscard]] const Certificate& fallback() const noexcept { return *certificates_.front(); }

  struct Entry {
    std::string host;
    std::uint32_t certificate;
  };
  /// Names in the order they were added, for dumps.
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] const Certificate& certificate(std::uint32_t index) const noexcept {
    return *certificates_[index];
  }

 private:
  std::vector<std::shared_ptr<const Certificate>> certificates_;   // [0] is the fallback
  std::unordered_map<const Certificate*, std::uint32_t> indices_;  // of certificates_
  std::vector<Entry> entries_;
  routing::HostIndex index_;
};

}  // namespace cppx::tls
