#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>

#include "controller/dns/ares_channel.h"
#include "controller/translate/resolved_names.h"

namespace cppx::controller::dns {

struct NameResolverOptions {
  AresOptions ares;
  std::chrono::milliseconds least_age{1000};   ///< No answer is used for less than this,
  std::chrono::milliseconds most_age{30'000};  ///< nor for longer, whatever its TTL.
};

/// Keeps the addresses of a set of host names fresh: IPv4 and IPv6, each name asked again when the
/// TTL of its answer is over. A server failure or time-out keeps the last good addresses (and is
/// tried again, ever more slowly up to `most_age`); "no such name" drops them. Names that fail, or
/// are slow, do not hold up the others. Loopback addresses are the caller's business. One thread;
/// not to be destroyed by its own callback.
class NameResolver {
 public:
  using Changed = std::function<void()>;

  /// `changed` is called, never from within set_names(), after names() changed.
  NameResolver(boost::asio::io_context& io, NameResolverOptions options, Changed changed);
  ~NameResolver();  ///< No callback after this.
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  /// The names to watch from now on, lower case and without a trailing dot. New ones are looked up
  /// at once; those left out are forgotten (without a callback).
  void set_names(const std::set<std::string>& names);

  [[nodiscard]] const ResolvedNames& names() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cppx::controller::dns
