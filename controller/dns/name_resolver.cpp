#include "controller/dns/name_resolver.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"

namespace cppx::controller::dns {
namespace {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using Timer = asio::basic_waitable_timer<
    std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using std::chrono::milliseconds;

/// Look-ups at once: a name server must not get hundreds of datagrams in one go. Names that failed
/// last time have places of their own, and nobody else waits for them.
constexpr std::size_t kPlaces = 48;
constexpr std::size_t kFailingPlaces = 16;
/// What takes longer waits for tries that are far apart, and leaves its place to others.
constexpr milliseconds kInPlaceAtMost{500};
constexpr std::array<Family, 2> kFamilies = {Family::kIPv4, Family::kIPv6};

/// What is known of one family of one name.
struct Answer {
  bool definite = false;  ///< The name servers have said so, if only once.
  std::vector<std::string> addresses;
};

}  // namespace

class NameResolver::Impl {
 public:
  Impl(asio::io_context& io, NameResolverOptions options, Changed changed)
      : executor_(io.get_executor()),
        options_(std::move(options)),
        changed_(std::move(changed)),
        channel_(io, options_.ares) {}

  void set_names(const std::set<std::string>& names);
  [[nodiscard]] const ResolvedNames& names() const noexcept { return resolved_; }

 private:
  struct Entry {
    explicit Entry(const Executor& executor) : timer(executor) {}
    Timer timer;
    std::array<Answer, kFamilies.size()> answers;
    std::size_t outstanding = 0;
    milliseconds next_age{0};  ///< Until the next look-up, of the round under way.
    milliseconds failure_delay{0};
    bool failed = false;
  };
  using EntryPtr = std::shared_ptr<Entry>;
  struct Lane {
    std::size_t places;
    std::size_t taken = 0;
    std::deque<std::pair<std::string, std::weak_ptr<Entry>>> waiting = {};  ///< To be looked up.
  };
  /// The look-ups of one name, which hold it. It ends before the resolver does.
  struct Round {
    Round(const Executor& executor, Lane& taken_in) : timer(executor), lane(taken_in) {
      lane.taken += places;
    }
    void leave(std::size_t count) {
      lane.taken -= count;
      places -= count;
    }
    Timer timer;
    Lane& lane;
    std::size_t places = kFamilies.size();
  };

  void enqueue(const std::string& name, const EntryPtr& entry);
  void start_waiting();
  void start_waiting(Lane& lane);
  std::shared_ptr<Round> begin_round(Lane& lane);
  void look_up(const std::string& name, const EntryPtr& entry, Lane& lane);
  void answered(
      const std::string& name, const std::weak_ptr<Entry>& weak, std::size_t family,
      LookupResult result
  );
  void take(const std::string& name, Entry& entry, Answer& answer, LookupResult& result);
  void round_complete(const std::string& name, const EntryPtr& entry);
  void publish(const std::string& name, const Entry& entry);
  void announce();

  Executor executor_;
  NameResolverOptions options_;
  Changed changed_;
  std::map<std::string, EntryPtr> entries_;
  Lane usual_{.places = kPlaces};
  Lane failing_{.places = kFailingPlaces};
  bool starting_ = false;
  ResolvedNames resolved_;
  bool announcing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  AresChannel channel_;  ///< Last: its end calls the callbacks of what is outstanding.
};

void NameResolver::Impl::set_names(const std::set<std::string>& names) {
  std::erase_if(entries_, [&](const auto& item) { return !names.contains(item.first); });
  std::erase_if(resolved_, [&](const auto& item) { return !names.contains(item.first); });
  for (const std::string& name : names) {
    if (entries_.contains(name)) continue;
    const auto entry = entries_.emplace(name, std::make_shared<Entry>(executor_)).first->second;
    enqueue(name, entry);
  }
  start_waiting();
}

void NameResolver::Impl::enqueue(const std::string& name, const EntryPtr& entry) {
  const bool failed_last_time = entry->failure_delay != milliseconds(0);
  (failed_last_time ? failing_ : usual_).waiting.emplace_back(name, entry);
}

void NameResolver::Impl::start_waiting() {
  // A look-up may end at once and come back here.
  if (starting_) return;
  starting_ = true;
  start_waiting(usual_);
  start_waiting(failing_);
  starting_ = false;
}

void NameResolver::Impl::start_waiting(Lane& lane) {
  while (!lane.waiting.empty() && lane.taken < lane.places) {
    const auto [name, weak] = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    if (const auto entry = weak.lock()) look_up(name, entry, lane);
  }
}

std::shared_ptr<NameResolver::Impl::Round> NameResolver::Impl::begin_round(Lane& lane) {
  auto round = std::make_shared<Round>(executor_, lane);
  round->timer.expires_after(kInPlaceAtMost);
  const std::weak_ptr<Round> weak = round;
  round->timer.async_wait([this, weak](const boost::system::error_code& error) {
    const auto slow = weak.lock();
    if (error || !slow) return;
    slow->leave(slow->places);
    start_waiting();
  });
  return round;
}

void NameResolver::Impl::look_up(const std::string& name, const EntryPtr& entry, Lane& lane) {
  entry->outstanding = kFamilies.size();
  entry->next_age = options_.most_age;
  entry->failed = false;
  const auto round = begin_round(lane);
  for (std::size_t family = 0; family < kFamilies.size(); ++family) {
    channel_.lookup(
        name, kFamilies[family],
        [this, name, family, round, weak = std::weak_ptr<Entry>(entry)](LookupResult result) {
          if (result.status == LookupStatus::kCancelled) return;
          if (round->places > 0) round->leave(1);
          answered(name, weak, family, std::move(result));
          start_waiting();
        }
    );
  }
}

void NameResolver::Impl::answered(
    const std::string& name, const std::weak_ptr<Entry>& weak, std::size_t family,
    LookupResult result
) {
  const auto entry = weak.lock();
  if (!entry) return;
  take(name, *entry, entry->answers[family], result);
  publish(name, *entry);
  if (--entry->outstanding == 0) round_complete(name, entry);
}

void NameResolver::Impl::take(
    const std::string& name, Entry& entry, Answer& answer, LookupResult& result
) {
  if (result.status == LookupStatus::kFailed) {
    if (!entry.failed && entry.failure_delay == milliseconds(0))
      log::warning("Host name {} of an ExternalName Service: {}", name, result.error);
    entry.failed = true;
    return;
  }
  answer.definite = true;
  answer.addresses.clear();
  for (const auto& address : result.addresses) answer.addresses.push_back(address.to_string());
  if (result.status == LookupStatus::kFound)
    entry.next_age = std::min<milliseconds>(entry.next_age, result.ttl);
}

void NameResolver::Impl::round_complete(const std::string& name, const EntryPtr& entry) {
  if (entry->failed) {
    entry->failure_delay =
        std::clamp(entry->failure_delay * 2, options_.least_age, options_.most_age);
    entry->next_age = std::min(entry->next_age, entry->failure_delay);
  } else {
    entry->failure_delay = milliseconds(0);
  }
  const bool known =
      std::any_of(entry->answers.begin(), entry->answers.end(), [](const Answer& answer) {
        return !answer.addresses.empty();
      });
  // A name that does not exist yet is asked for again soon.
  if (!known && !entry->failed) entry->next_age = std::min(entry->next_age, 5 * options_.least_age);
  entry->timer.expires_after(std::clamp(entry->next_age, options_.least_age, options_.most_age));
  entry->timer.async_wait(
      [this, name, weak = std::weak_ptr<Entry>(entry)](const boost::system::error_code& error) {
        const auto due = weak.lock();
        if (error || !due) return;
        enqueue(name, due);
        start_waiting();
      }
  );
}

void NameResolver::Impl::publish(const std::string& name, const Entry& entry) {
  std::vector<std::string> addresses;
  bool all_definite = true;
  for (const Answer& answer : entry.answers) {
    addresses.insert(addresses.end(), answer.addresses.begin(), answer.addresses.end());
    all_definite = all_definite && answer.definite;
  }
  // "No address" needs an answer for both families; any address is worth having at once.
  if (addresses.empty() && !all_definite) return;
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  const auto known = resolved_.find(name);
  if (known != resolved_.end() && known->second == addresses) return;
  resolved_.insert_or_assign(name, std::move(addresses));
  announce();
}

void NameResolver::Impl::announce() {
  if (announcing_) return;
  announcing_ = true;
  asio::post(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    announcing_ = false;
    changed_();
  });
}

NameResolver::NameResolver(asio::io_context& io, NameResolverOptions options, Changed changed)
    : impl_(std::make_unique<Impl>(io, std::move(options), std::move(changed))) {}

NameResolver::~NameResolver() = default;

void NameResolver::set_names(const std::set<std::string>& names) { impl_->set_names(names); }

const ResolvedNames& NameResolver::names() const noexcept { return impl_->names(); }

}  // namespace cppx::controller::dns
