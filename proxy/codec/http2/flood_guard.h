#pragma once

#include <chrono>
#include <cstdint>

namespace cppx::proxy::http2 {

/// Tells a connection that makes work from one that has work done. Two accounts, both filled by
/// time and by what is useful:
///   overhead  frames that carry nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA,
///             unknown types): CVE-2019-9511 to 9518
///   resets    streams that end before their response does, by the client (CVE-2023-44487) or
///             because the client provoked us to end them (CVE-2025-8671)
/// A function that returns false says: end the connection.
class FloodGuard {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  static constexpr std::uint32_t kOverheadBurst = 1000;
  static constexpr std::uint32_t kOverheadPerSecond = 50;
  /// Two for each KiB.
  static constexpr std::uint32_t kBytesPerUpdate = 512;
  static constexpr std::uint32_t kResetBurst = 500;
  static constexpr std::uint32_t kResetsPerSecond = 20;

  /// The first call only starts the clock.
  void advance(TimePoint now) noexcept;

  [[nodiscard]] bool overhead(std::uint32_t cost = 1) noexcept { return take(overhead_, cost); }
  [[nodiscard]] bool reset() noexcept { return take(resets_, 1); }
  /// A WINDOW_UPDATE. Bytes of DATA that were sent pay for it, however late it comes: a peer tells
  /// of those it has read in pieces of its own choice, one update for the stream, one for the
  /// connection.
  [[nodiscard]] bool window_update() noexcept;
  void sent(std::uint32_t bytes) noexcept { unacknowledged_bytes_ += bytes; }

  /// Something useful came or went: it pays for the overhead that goes with it.
  void useful(std::uint32_t credit) noexcept { put(overhead_, kOverheadBurst, credit); }
  void response_done() noexcept { put(resets_, kResetBurst, 1); }

 private:
  static bool take(std::uint32_t& account, std::uint32_t cost) noexcept;
  static void put(std::uint32_t& account, std::uint32_t most, std::uint64_t credit) noexcept;

  std::uint32_t overhead_ = kOverheadBurst;
  std::uint32_t resets_ = kResetBurst;
  std::uint64_t unacknowledged_bytes_ = 0;
  TimePoint filled_;
};

}  // namespace cppx::proxy::http2
