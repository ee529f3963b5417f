#include "proxy/observe/access_log.h"

#include "proxy/observe/access_line.h"

namespace cppx::proxy {

AccessLog::AccessLog(AccessLogWriter& writer)
    : writer_(writer),
      ring_(writer.add_ring()),
      line_(std::make_unique_for_overwrite<std::array<char, kLongestLine>>()) {}

void AccessLog::write(
    const routing::AccessLogSettings& settings, const AccessFacts& facts,
    std::chrono::steady_clock::time_point now
) {
  clock_.set(now);
  if (ring_.push(access_line(settings, facts, clock_, *line_)))
    writer_.notify();
  else
    ++dropped_;
}

}  // namespace cppx::proxy
