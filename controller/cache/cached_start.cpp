#include "controller/cache/cached_start.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "controller/cache/store.h"
#include "controller/cache/store_copy.h"
#include "controller/model/objects.h"

namespace cppx::controller {

CachedStart::CachedStart(
    boost::asio::io_context& io, std::vector<Object> cached, Store& store,
    std::function<void()> on_serving, std::chrono::milliseconds patience
)
    : cached_(std::move(cached)), store_(store), on_serving_(std::move(on_serving)), timer_(io) {
  timer_.expires_after(patience);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) serve();
  });
}

void CachedStart::serve() {
  if (over_) return;
  log::warning(
      "The Kubernetes API has not told everything yet: serving the {} objects of the snapshot "
      "cache "
      "until it has",
      cached_.size()
  );
  for (Object& object : std::exchange(cached_, {})) store_.apply(std::move(object));
  serving_ = true;
  on_serving_();
}

void CachedStart::stop() {
  timer_.cancel();
  over_ = true;
  serving_ = false;
  cached_.clear();
  aside_ = Store();
}

void CachedStart::complete() {
  std::array<std::vector<Object>, kKindCount> by_kind;
  for_each_object(copy_of(aside_), [&](const auto& object) {
    Object value(object);
    by_kind[static_cast<std::size_t>(kind_of(value))].push_back(std::move(value));
  });
  for (std::size_t kind = 0; kind < kKindCount; ++kind)
    store_.replace(static_cast<Kind>(kind), {}, std::move(by_kind[kind]));
  if (serving_) log::info("The Kubernetes API has told everything: the snapshot cache is replaced");
  stop();
}

}  // namespace cppx::controller
