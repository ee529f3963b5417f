#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/cache/store.h"
#include "controller/model/objects.h"

namespace cppx::controller {

/// The start with objects of a snapshot cache: when the API server has not told everything within a
/// short time, the cached objects are put into the store and served. What the server tells
/// meanwhile is gathered aside and, once complete, takes the place of everything there is: nothing
/// of the cache survives that the server does not have. Belongs to the thread of the io_context.
class CachedStart {
 public:
  static constexpr std::chrono::milliseconds kPatience{2'000};

  /// `on_serving` is called when the cached objects are in the store, which outlives this.
  CachedStart(
      boost::asio::io_context& io, std::vector<Object> cached, Store& store,
      std::function<void()> on_serving, std::chrono::milliseconds patience = kPatience
  );

  /// Where what the server tells goes to until it is over.
  Store& aside() noexcept { return aside_; }
  /// Whether the store holds the cached objects.
  [[nodiscard]] bool serving() const noexcept { return serving_; }
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// The server has told everything: that is in the store now.
  void complete();
  /// Ends it as it is. To be called, or complete(), before this goes: a timer may have run out.
  void stop();

 private:
  void serve();

  std::vector<Object> cached_;
  Store& store_;
  Store aside_;
  std::function<void()> on_serving_;
  boost::asio::steady_timer timer_;
  bool serving_ = false;
  bool over_ = false;
};

}  // namespace cppx::controller
