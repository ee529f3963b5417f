// A file of a snapshot cache without its first line and its end, which are added: what comes
// between them is what a disk, or somebody who can write there, may have changed. Then the input as
// it is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "controller/cache/cache_file.h"
#include "controller/cache/cache_key.h"
#include "controller/cache/store.h"
#include "controller/cache/store_copy.h"
#include "tests/fuzz/require.h"

namespace {

using namespace cppx::controller;
using cppx::test::require;

Store store_of(const CachedObjects& cached) {
  Store store;
  for (const Object& object : cached.objects) store.apply(object);
  return store;
}

void check(std::string_view text, const CacheKey& key) {
  const auto cached = read_cache_text(text, &key);
  if (!cached) {
    require(!cached.error().detail.empty(), "says why it is not used");
    return;
  }
  const std::string written = write_cache_text(copy_of(store_of(*cached)), nullptr);
  const auto again = read_cache_text(written, nullptr);
  require(again.has_value() && again->sealed_left_out == 0, "what is written can be read");
  require(
      write_cache_text(copy_of(store_of(*again)), nullptr) == written,
      "what is read and written is the same"
  );
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65536) return 0;
  const CacheKey key({1, 2, 3});
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  check(input, key);
  std::string text = "cppx-snapshot-cache 1\n";
  text += input;
  if (!text.ends_with('\n')) text += '\n';
  text += "end " + sha256_hex(text) + "\n";
  check(text, key);
  return 0;
}
