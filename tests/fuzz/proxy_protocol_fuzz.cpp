#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/codec/proxy_protocol/header.h"
#include "tests/fuzz/require.h"

namespace {

using namespace cppx::proxy::proxy_protocol;
using cppx::test::require;

bool same(const Endpoint& a, const Endpoint& b) { return a.ip == b.ip && a.port == b.port; }

void require_round_trip(const Header& header, Version version) {
  std::array<char, kMaxWritten> out{};
  const std::size_t size = write_header(out, version, header.source, header.destination);
  const auto again = read_header({out.data(), size});
  require(again.status == ReadStatus::kDone && again.consumed == size, "what we write is a header");
  require(again.header.has_addresses, "with addresses");
  require(same(again.header.source, header.source), "the same source");
  require(same(again.header.destination, header.destination), "the same destination");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const auto result = read_header(bytes);
  if (result.status == ReadStatus::kNeedMore) {
    require(size < kMaxHeader, "the end is known by then");
    return 0;
  }
  if (result.status == ReadStatus::kMalformed) {
    require(read_header(bytes + "x").status == ReadStatus::kMalformed, "more bytes mend nothing");
    return 0;
  }
  require(result.consumed > 0 && result.consumed <= size, "a part of the input");
  require(result.consumed <= kMaxHeader, "bounded");
  const std::string header = bytes.substr(0, result.consumed);
  require(read_header(header).consumed == header.size(), "what follows does not matter");
  for (std::size_t part = 0; part < header.size(); ++part)
    require(
        read_header(header.substr(0, part)).status == ReadStatus::kNeedMore,
        "the beginning of a header is not refused, nor taken for one"
    );
  if (result.header.has_addresses) {
    require_round_trip(result.header, Version::kV1);
    require_round_trip(result.header, Version::kV2);
  }
  return 0;
}
