#include "tests/cluster/fake_kubelet/address_pool.h"

#include <fmt/format.h>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/network_v4.hpp>

namespace cppx::fake_kubelet {

namespace ip = boost::asio::ip;

Result<AddressPool> AddressPool::create(const std::string& cidr) {
  boost::system::error_code error;
  const auto network = ip::make_network_v4(cidr, error);
  if (error || network.prefix_length() > 30)
    return config_error(Errc::kParse, fmt::format("\"{}\" is not an IPv4 range for pods", cidr));
  // Neither the network's own address, nor the gateway's (by custom the first), nor the broadcast.
  return AddressPool(network.network().to_uint() + 2, network.broadcast().to_uint() - 1);
}

std::optional<std::string> AddressPool::take(const std::string& owner) {
  if (const auto known = taken_.find(owner); known != taken_.end())
    return ip::address_v4(known->second).to_string();
  for (std::uint32_t tried = 0; tried <= last_ - first_; ++tried) {
    const std::uint32_t candidate = next_;
    next_ = next_ == last_ ? first_ : next_ + 1;
    if (!owners_.emplace(candidate, owner).second) continue;
    taken_.emplace(owner, candidate);
    return ip::address_v4(candidate).to_string();
  }
  return std::nullopt;
}

void AddressPool::adopt(const std::string& owner, const std::string& address) {
  boost::system::error_code error;
  const std::uint32_t number = ip::make_address_v4(address, error).to_uint();
  if (error || number < first_ || number > last_) return;
  if (!owners_.emplace(number, owner).second) return;
  taken_.emplace(owner, number);
  next_ = number == last_ ? first_ : number + 1;
}

void AddressPool::give_back(const std::string& owner) {
  const auto known = taken_.find(owner);
  if (known == taken_.end()) return;
  owners_.erase(known->second);
  taken_.erase(known);
}

}  // namespace cppx::fake_kubelet
