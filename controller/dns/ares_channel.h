#pragma once
// dns/: host names to addresses, with c-ares on the control thread's io_context; never blocks it.
//
//   AresChannel (one look-up) → NameResolver (a watched set of names, kept fresh)
//
// May include: kube/task.h, translate/resolved_names.h, base.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>

namespace cppx::controller::dns {

enum class Family : std::uint8_t { kIPv4, kIPv6 };

enum class LookupStatus : std::uint8_t {
  kFound,
  kNoSuchName,  ///< NXDOMAIN: the name does not exist, or it is not a host name at all.
  kNoAddress,   ///< The name exists but has no address of this family.
  kFailed,      ///< Server failure, timeout: nothing is known about the name.
  kCancelled,   ///< By cancel(), or the channel was destroyed.
};

struct LookupResult {
  LookupStatus status = LookupStatus::kFailed;
  std::vector<boost::asio::ip::address> addresses;  ///< In the server's order; only with kFound.
  std::chrono::seconds ttl{0};                      ///< Smallest of the answer.
  std::string error;                                ///< One line, with kFailed.
};

struct AresOptions {
  std::string servers;                      ///< "127.0.0.1:5353,..."; empty: those of resolv.conf.
  std::chrono::milliseconds timeout{2000};  ///< Of the first try.
  int tries = 3;
};

/// A c-ares channel on an io_context. One thread; not to be destroyed by one of its callbacks.
class AresChannel {
 public:
  AresChannel(boost::asio::io_context& io, const AresOptions& options);
  ~AresChannel();  ///< Calls outstanding callbacks with kCancelled.
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  /// Resolves as the system does (/etc/hosts, then DNS with the search list; localhost is
  /// loopback). `done` is called exactly once, possibly before this returns.
  void lookup(const std::string& name, Family family, std::function<void(LookupResult)> done);
  /// Calls outstanding callbacks with kCancelled. Look-ups that nobody waits for would keep the
  /// io_context running. Not to be called by one of them.
  void cancel();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller::dns
