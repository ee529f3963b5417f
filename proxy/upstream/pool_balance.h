#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/upstream/endpoint_health.h"
#include "proxy/upstream/local_endpoint.h"
#include "routing/endpoint/endpoint.h"
#include "routing/settings.h"

namespace cppx::proxy {

/// One worker's view of one pool: where round robin is, and which endpoints are fit for requests.
/// That is looked up again only when some record changed its phase or a time passes; as long as all
/// are healthy, a choice costs a comparison.
class PoolBalance {
 public:
  using Time = EndpointHealth::Time;

  /// How an endpoint may be used.
  enum class Standing : std::uint8_t {
    kFull,
    kRising,   ///< Gets a share of what it would get.
    kWaiting,  ///< For a probe.
    kOut,
  };

  PoolBalance() = default;
  PoolBalance(const PoolBalance&) = delete;
  PoolBalance& operator=(const PoolBalance&) = delete;
  ~PoolBalance() { assign(nullptr, {}); }

  /// Takes over the endpoints of a pool in the order they have there.
  void assign(
      std::shared_ptr<const routing::EndpointPool> pool, std::vector<LocalEndpoint*> endpoints
  );
  [[nodiscard]] const routing::EndpointPool* pool() const noexcept { return pool_.get(); }
  [[nodiscard]] const std::vector<LocalEndpoint*>& endpoints() const noexcept { return endpoints_; }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(endpoints_.size());
  }

  /// Whether standings() has to be asked at all; false is the usual case. `changes` is that of the
  /// registry; `clock` is only asked if something is wrong.
  bool troubled(
      std::uint64_t changes, const routing::ProxySettings& settings,
      EndpointHealth::Clock::time_point (*clock)()
  );
  /// While troubled: the time when it was asked.
  [[nodiscard]] Time now() const noexcept { return now_; }
  [[nodiscard]] Standing standing(std::uint32_t index) const noexcept { return standings_[index]; }
  /// While troubled: fewer than half are fit. Then all are used: the few would not bear the load,
  /// and rather the judgement is wrong.
  [[nodiscard]] bool panic() const noexcept { return panic_; }
  [[nodiscard]] const std::vector<std::uint32_t>& waiting() const noexcept { return waiting_; }
  /// Of an endpoint that is kRising, from 0 to 1.
  [[nodiscard]] double share(std::uint32_t index, const routing::ProxySettings& settings) const;

  std::uint32_t position = 0;  ///< Of round robin: the next one.

 private:
  void look(Time now, const routing::ProxySettings& settings);

  std::shared_ptr<const routing::EndpointPool> pool_;
  std::vector<LocalEndpoint*> endpoints_;
  std::vector<Standing> standings_;     // empty: all are kFull
  std::vector<std::uint32_t> waiting_;  // indices of those that are kWaiting
  std::uint64_t changes_seen_ = ~std::uint64_t{0};
  Time now_{};
  Time look_again_{};
  bool panic_ = false;
};

/// How long an endpoint in this phase gets rising shares.
std::chrono::milliseconds rising_time(
    EndpointHealth::Phase phase, const routing::ProxySettings& settings
) noexcept;

}  // namespace cppx::proxy
