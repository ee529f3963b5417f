#include "tls/sni_table.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tls/certificate.h"

namespace cppx::tls {

SniTable::SniTable(Pointer fallback, const Changes& certificates) : fallback_(std::move(fallback)) {
  assert(fallback_);
  named_ = named_.with(certificates);
}

SniTable SniTable::with(Pointer fallback, const Changes& changes) const {
  SniTable out = *this;
  out.fallback_ = std::move(fallback);
  out.named_ = named_.with(changes);
  return out;
}

const Certificate& SniTable::find(std::string_view server_name) const noexcept {
  const Entry* const found = named_.find(server_name);
  return found == nullptr ? fallback() : *found->certificate;
}

std::vector<std::pair<std::string, SniTable::Pointer>> SniTable::entries() const {
  std::vector<std::pair<std::string, Pointer>> out;
  named_.for_each([&](std::string name, const Pointer& certificate) {
    out.emplace_back(std::move(name), certificate);
  });
  std::ranges::sort(out);
  return out;
}

}  // namespace cppx::tls
