#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "controller/translate/annotation_reader.h"
#include "routing/balance/balance_policy.h"
#include "routing/balance/hash_pattern.h"
#include "routing/upstream/retry_policy.h"

namespace cppx::controller {

/// Annotations about how an Ingress's backends are talked to.
struct UpstreamAnnotations {
  std::optional<std::chrono::milliseconds> connect_timeout;
  std::optional<std::chrono::milliseconds> send_timeout;
  std::optional<std::chrono::milliseconds> read_timeout;
  std::optional<routing::RetryConditions> next_upstream;
  std::optional<std::uint32_t> next_upstream_tries;
  std::optional<std::chrono::milliseconds> next_upstream_timeout;
  std::optional<routing::BalanceAlgorithm> load_balance;
  std::optional<routing::HashPattern> hash_by;
  std::optional<bool> hash_by_subset;
  std::optional<std::uint32_t> hash_by_subset_size;
};

std::span<const AnnotationReader> upstream_annotation_readers() noexcept;

}  // namespace cppx::controller
