#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/observe/access_facts.h"
#include "proxy/observe/access_record.h"
#include "proxy/stream/downstream.h"
#include "routing/http/message.h"
#include "routing/log/access_log_settings.h"

namespace cppx::proxy {

class Worker;

/// What a connection knows of its client.
AccessFacts facts_of(const Downstream& connection, const routing::LogFormat& format);

/// An answer to what was no request.
struct Refusal {
  std::uint16_t status = 400;
  std::size_t sent_bytes = 0;
  std::size_t sent_head_bytes = 0;
  const routing::RequestHead* head = nullptr;  ///< As far as it was read; null: not at all.
  AccessRecord::Clock::time_point started;     ///< When its first byte came.
};
/// Puts it in the access log. What has come of the request is unread.
void log_refusal(Worker& worker, const Downstream& connection, const Refusal& refusal);

/// The first line of `text`, without its end.
std::string_view first_line(std::string_view text) noexcept;

}  // namespace cppx::proxy
