#pragma once

#include <chrono>
#include <cstddef>

#include <boost/intrusive/list.hpp>

#include "proxy/transport/transport.h"

namespace cppx::proxy {

/// The place of one client connection in the IdleList of its worker; leaves it when destroyed.
class IdleLink : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// `transport` must outlive the link.
  explicit IdleLink(Transport& transport) noexcept : transport_(transport) {}
  IdleLink(const IdleLink&) = delete;
  IdleLink& operator=(const IdleLink&) = delete;

  void leave() noexcept {
    if (is_linked()) unlink();
  }

 private:
  friend class IdleList;
  Transport& transport_;
  bool newcomer_ = false;
};

/// The client connections of one worker that wait for their client to begin something, and hold a
/// descriptor meanwhile: the first ones to go when there is no room for new ones.
class IdleList {
 public:
  /// For a client that has just come, and whose first words are on their way, when its place is
  /// needed or the worker drains.
  static constexpr std::chrono::seconds kNewcomerPatience{2};

  /// Around such a wait for reading, which ends with kCancelled when the place is needed. What has
  /// been received by then should still be served. `newcomer`: nothing was served yet.
  void enter(IdleLink& link, bool newcomer) noexcept {
    link.leave();
    link.newcomer_ = newcomer;
    if (room_wanted_)
      ask_to_go(link);
    else
      links_.push_back(link);
  }

  /// Ends the one that has been idle for longest; false when there is none. A newcomer is given
  /// kNewcomerPatience, and not waited for, if no more than `spared` are idle: those who come when
  /// all others are busy would have to make room for each other before they were heard. Where more
  /// are idle they are taken for clients that keep silent.
  bool shed_oldest(std::size_t spared) noexcept {
    const bool few = has_at_most(spared);
    while (!links_.empty()) {
      IdleLink& oldest = links_.front();
      links_.pop_front();
      if (few && !ask_to_go(oldest)) continue;
      oldest.transport_.cancel(Direction::kRead);
      return true;
    }
    return false;
  }

  /// While this is on, whoever becomes idle is asked to go at once: somebody waits for the place.
  void want_room(bool wanted) noexcept { room_wanted_ = wanted; }

 private:
  static bool ask_to_go(IdleLink& link) noexcept {
    if (link.newcomer_)
      link.transport_.hasten_read(kNewcomerPatience);
    else
      link.transport_.cancel(Direction::kRead);
    return !link.newcomer_;
  }
  [[nodiscard]] bool has_at_most(std::size_t count) const noexcept {
    auto link = links_.begin();
    for (; count > 0 && link != links_.end(); --count) ++link;
    return link == links_.end();
  }

  boost::intrusive::list<IdleLink, boost::intrusive::constant_time_size<false>> links_;
  bool room_wanted_ = false;
};

}  // namespace cppx::proxy
