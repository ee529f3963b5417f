#pragma once

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
};

/// The client connections of one worker that wait for their client to begin something, and hold a
/// descriptor meanwhile: the first ones to go when there is no room for new ones.
class IdleList {
 public:
  /// Around such a wait for reading, which ends with kCancelled when the place is needed. What has
  /// been received by then should still be served.
  void enter(IdleLink& link) noexcept {
    link.leave();
    if (room_wanted_)
      link.transport_.cancel(Direction::kRead);
    else
      links_.push_back(link);
  }

  /// Ends the one that has been idle for longest; false when there is none.
  bool shed_oldest() noexcept {
    if (links_.empty()) return false;
    IdleLink& oldest = links_.front();
    links_.pop_front();
    oldest.transport_.cancel(Direction::kRead);
    return true;
  }

  /// While this is on, whoever becomes idle is ended at once: somebody waits for the place.
  void want_room(bool wanted) noexcept { room_wanted_ = wanted; }

 private:
  boost::intrusive::list<IdleLink, boost::intrusive::constant_time_size<false>> links_;
  bool room_wanted_ = false;
};

}  // namespace cppx::proxy
