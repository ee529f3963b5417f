#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"

namespace cppx::fake_kubelet {

/// Pod addresses of one node: handed out in turn, so that an address comes back as late as
/// possible.
class AddressPool {
 public:
  /// `cidr` like "10.244.0.0/20".
  static Result<AddressPool> create(const std::string& cidr);

  /// The address of the owner (a Pod's uid), the same one each time it is asked for. Nothing when
  /// all are taken.
  std::optional<std::string> take(const std::string& owner);
  /// An address that an owner has from before.
  void adopt(const std::string& owner, const std::string& address);
  void give_back(const std::string& owner);

 private:
  AddressPool(std::uint32_t first, std::uint32_t last) : first_(first), last_(last), next_(first) {}

  std::uint32_t first_;
  std::uint32_t last_;
  std::uint32_t next_;
  std::map<std::string, std::uint32_t> taken_;  ///< By owner.
  std::map<std::uint32_t, std::string> owners_;
};

}  // namespace cppx::fake_kubelet
