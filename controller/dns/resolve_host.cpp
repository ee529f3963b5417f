#include "controller/dns/resolve_host.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace cppx::controller::dns {
namespace {

namespace asio = boost::asio;
using Addresses = std::vector<asio::ip::address>;
using Timer = asio::basic_waitable_timer<
    std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// Both look-ups of one host. Outlives the coroutine when that is cancelled before the answers
/// come.
struct Pending {
  Pending(const Executor& executor, std::chrono::steady_clock::time_point deadline)
      : done(executor, deadline) {}

  void answered(LookupResult& into, LookupResult result) {
    into = std::move(result);
    if (--outstanding == 0) done.cancel();
  }

  Timer done;  ///< Cancelled when both answers are there; runs out at the deadline.
  int outstanding = 2;
  LookupResult ipv4;
  LookupResult ipv6;
};

Result<Addresses> result_of(const Pending& pending, const std::string& host) {
  Addresses addresses = pending.ipv4.addresses;
  addresses.insert(addresses.end(), pending.ipv6.addresses.begin(), pending.ipv6.addresses.end());
  if (!addresses.empty()) return addresses;
  if (pending.outstanding > 0)
    return Error{
        Errc::kTimeout, ErrorSource::kUpstream, true, fmt::format("resolve {}: timed out", host)
    };
  for (const LookupResult* result : {&pending.ipv4, &pending.ipv6})
    if (result->status == LookupStatus::kFailed)
      return Error{
          Errc::kUnavailable, ErrorSource::kUpstream, true,
          fmt::format("resolve {}: {}", host, result->error)
      };
  return Error{
      Errc::kNotFound, ErrorSource::kUpstream, true, fmt::format("resolve {}: no such host", host)
  };
}

}  // namespace

Task<Result<Addresses>> resolve_host(
    Executor executor, AresChannel& channel, std::string host,
    std::chrono::steady_clock::time_point deadline
) {
  boost::system::error_code not_a_literal;
  const auto literal = asio::ip::make_address(host, not_a_literal);
  if (!not_a_literal) co_return Addresses{literal};

  const auto pending = std::make_shared<Pending>(executor, deadline);
  channel.lookup(host, Family::kIPv4, [pending](LookupResult result) {
    pending->answered(pending->ipv4, std::move(result));
  });
  channel.lookup(host, Family::kIPv6, [pending](LookupResult result) {
    pending->answered(pending->ipv6, std::move(result));
  });
  if (pending->outstanding > 0) {
    // Ends by the answers, the deadline or a cancellation of the task: which one shows in
    // `pending`.
    const auto ended = co_await pending->done.async_wait(kAsTuple);
    static_cast<void>(ended);
  }
  co_return result_of(*pending, host);
}

}  // namespace cppx::controller::dns
