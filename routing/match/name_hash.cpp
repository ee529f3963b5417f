#include "routing/match/name_hash.h"

#include <cstdint>
#include <random>

namespace cppx::routing {
namespace {

NameHashSecrets random_secrets() {
  std::random_device device;
  const auto odd = [&device] { return std::uint64_t{device()} << 32 | device() | 1; };
  return {.first = odd(), .second = odd()};
}

}  // namespace

const NameHashSecrets name_hash_secrets = random_secrets();

}  // namespace cppx::routing
