#include "proxy/worker/session_exchange.h"

#include <utility>

namespace cppx::proxy {

SessionExchange::SessionExchange(
    std::uint32_t worker, TimerWheel& wheel, tls::ServerContext& tls, Tell tell
) noexcept
    : worker_(worker), wheel_(wheel), tls_(tls), tell_(std::move(tell)) {}

Task<void> SessionExchange::fetch(tls::SessionElsewhere wanted) {
  const Clock::time_point now = Clock::now();
  Clock::time_point& silent_until = silent_until_[wanted.maker];
  if (now < silent_until) co_return;
  const Address here{.worker = worker_, .question = ++asked_, .end = now + kPatience};
  Question question(wheel_);
  questions_.emplace(here.question, &question);
  question.arm(kPatience);
  tell_(wanted.maker, [here, key = wanted.key](SessionExchange& maker) { maker.give(here, key); });
  co_await question.over;
  const bool answered = questions_.erase(here.question) == 0;
  if (!answered) silent_until = Clock::now() + kSilence;
}

void SessionExchange::give(const Address& asker, const tls::SessionKey& key) {
  if (Clock::now() > asker.end) return;
  tell_(asker.worker, [number = asker.question, session = tls_.copy_of(key)](SessionExchange& to) {
    to.take(number, session);
  });
}

void SessionExchange::take(std::uint64_t number, const tls::SharedSession& session) {
  const auto found = questions_.find(number);
  // Too late for that client, which has a newer one by now.
  if (found == questions_.end()) return;
  Question& question = *found->second;
  questions_.erase(found);
  tls_.keep(session);
  question.over.set();
}

}  // namespace cppx::proxy
