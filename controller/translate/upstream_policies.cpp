#include "controller/translate/upstream_policies.h"

#include <cstdint>
#include <string_view>

#include "controller/translate/annotations.h"
#include "controller/translate/upstream_annotations.h"
#include "routing/balance/balance_policy.h"
#include "routing/policy.h"
#include "routing/settings.h"
#include "routing/upstream/retry_policy.h"
#include "routing/upstream/upstream_timeouts.h"

namespace cppx::controller {
namespace {

constexpr std::uint32_t kUsualSubset = 3;

}  // namespace

void UpstreamPolicyMaker::add(
    const IngressAnnotations& all, const routing::ProxySettings& settings, std::string_view path,
    routing::PolicySet& out
) {
  const UpstreamAnnotations& annotations = all.upstream;
  const routing::UpstreamTimeouts timeouts{
      .connect = annotations.connect_timeout.value_or(settings.upstream_timeouts.connect),
      .send = annotations.send_timeout.value_or(settings.upstream_timeouts.send),
      .read = annotations.read_timeout.value_or(settings.upstream_timeouts.read),
  };
  if (timeouts != settings.upstream_timeouts) out.set(timeouts_.of(timeouts));

  const routing::RetryPolicy retry{
      .conditions = annotations.next_upstream.value_or(settings.next_upstream.conditions),
      .tries = annotations.next_upstream_tries.value_or(settings.next_upstream.tries),
      .total = annotations.next_upstream_timeout.value_or(settings.next_upstream.total),
  };
  if (retry != settings.next_upstream) out.set(retries_.of(retry));

  routing::BalancePolicy balance{
      .algorithm = annotations.load_balance.value_or(settings.load_balance)
  };
  if (annotations.hash_by) {
    balance.hash = *annotations.hash_by;
    if (annotations.hash_by_subset.value_or(false))
      balance.subset_size = annotations.hash_by_subset_size.value_or(kUsualSubset);
  }
  if (balance.algorithm != settings.load_balance || !balance.hash.empty())
    out.set(balancing_.of(balance));

  if (const auto affinity = all.affinity.affinity(path)) out.set(sessions_.of(*affinity));
}

}  // namespace cppx::controller
