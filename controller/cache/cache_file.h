#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "controller/cache/cache_key.h"
#include "controller/cache/store_copy.h"
#include "controller/model/objects.h"

namespace cppx::controller {

// The text of a snapshot cache:
//
//   cppx-snapshot-cache 1
//   {"apiVersion":"v1","kind":"Service",...}       one object a line, as Kubernetes JSON
//   sealed bm9uY2UgdGV4dCB0YWc=                    a Secret: such a line, encrypted, in base64
//   end <SHA-256 of all that comes before this line>
//
// Without a key there are no Secrets in it.

/// Objects of a cache, and how many of them could not be read for want of the right key.
struct CachedObjects {
  std::vector<Object> objects;
  std::size_t sealed_left_out = 0;
};

std::string write_cache_text(const StoreCopy& objects, const CacheKey* key);
/// kParse says in one line why the text is not used. A single object that cannot be decoded is left
/// out.
Result<CachedObjects> read_cache_text(std::string_view text, const CacheKey* key);

/// Writes a file that only its owner may read, as a whole or not at all: next to it, to the disk,
/// and then over it. kIo with path and reason.
Result<void> write_file_atomically(const std::filesystem::path& file, std::string_view text);
/// kNotFound when there is none, kIo otherwise, with path and reason.
Result<std::string> read_whole_file(const std::filesystem::path& file);

}  // namespace cppx::controller
