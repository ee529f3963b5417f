#include "proxy/worker/session_exchange.h"

#include <utility>

namespace cppx::proxy {

SessionExchange::SessionExchange(
    std::uint32_t worker, TimerWheel& wheel, tls::ServerContext& tls, Tell tell
) noexcept
    : worker_(worker), wheel_(wheel), tls_(tls), tell_(std::move(tell)) {}

Task<void> SessionExchange::fetch(tls::SessionElsewhere wanted) {
  const std::uint64_t number = ++asked_;
  Question question(wheel_);
  questions_.emplace(number, &question);
  question.arm(kPatience);
  tell_(wanted.maker, [asker = worker_, number, key = wanted.key](SessionExchange& maker) {
    maker.give(asker, number, key);
  });
  co_await question.over;
  questions_.erase(number);
}

void SessionExchange::give(std::uint32_t asker, std::uint64_t number, const tls::SessionKey& key) {
  tell_(asker, [number, session = tls_.copy_of(key)](SessionExchange& asking) {
    asking.take(number, session);
  });
}

void SessionExchange::take(std::uint64_t number, const tls::SharedSession& session) {
  const auto found = questions_.find(number);
  // Too late for that client, which has a newer one by now.
  if (found == questions_.end()) return;
  tls_.keep(session);
  found->second->over.set();
}

}  // namespace cppx::proxy
