#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/match/host_map.h"
#include "tls/certificate.h"

namespace cppx::tls {

/// Server names to certificates, as one snapshot has them. Immutable; successive tables share what
/// does not change.
class SniTable {
 public:
  using Pointer = std::shared_ptr<const Certificate>;
  /// By host name, lower case without trailing dot, "*.example.com" (one label) among them; null:
  /// it has none any more.
  using Changes = std::map<std::string, Pointer>;

  /// `fallback` is presented for unknown names and without SNI. Must not be null.
  explicit SniTable(Pointer fallback, const Changes& certificates = {});

  /// A table with another fallback, in which these names have other certificates.
  [[nodiscard]] SniTable with(Pointer fallback, const Changes& changes) const;

  /// Exact name, then one-label wildcard, then the fallback. Case and a trailing dot do not matter;
  /// an empty name (no SNI) gets the fallback. The reference lives as long as the table.
  [[nodiscard]] const Certificate& find(std::string_view server_name) const noexcept;
  [[nodiscard]] const Certificate& fallback() const noexcept { return *fallback_; }

  /// Names and their certificates, sorted: for people.
  [[nodiscard]] std::vector<std::pair<std::string, Pointer>> entries() const;

 private:
  struct Entry {
    const Certificate* certificate = nullptr;
    static Entry of(const Certificate& certificate) noexcept { return {&certificate}; }
  };

  Pointer fallback_;
  routing::HostMap<Certificate, Entry> named_;
};

}  // namespace cppx::tls
