#include "controller/cache/cache_file.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "controller/cache/cache_key.h"
#include "controller/cache/store_copy.h"
#include "controller/model/base64.h"
#include "controller/model/decode.h"
#include "controller/model/encode.h"
#include "controller/model/objects.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

constexpr std::string_view kHeader = "cppx-snapshot-cache 1\n";
constexpr std::string_view kSealed = "sealed ";
constexpr std::string_view kEnd = "end ";

Error unusable(std::string detail) { return config_error(Errc::kParse, std::move(detail)); }

std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool append_sealed(std::string& text, const Secret& secret, const CacheKey& key) {
  std::string plain = line_of(encode(secret));
  const auto sealed = key.seal(plain, kHeader);
  OPENSSL_cleanse(plain.data(), plain.size());
  if (!sealed) return false;
  text.append(kSealed).append(encode_base64(*sealed)).push_back('\n');
  return true;
}

/// The lines between the first and the last, when those are what they must be.
Result<std::string_view> checked_lines(std::string_view text) {
  if (!text.starts_with(kHeader)) return unusable("not a snapshot cache of this version");
  const auto end = text.rfind('\n', text.size() - 2);
  if (!text.ends_with('\n') || end == std::string_view::npos)
    return unusable("the snapshot cache is cut");
  const std::string_view before = text.substr(0, end + 1);
  const std::string_view last = text.substr(end + 1);
  if (!last.starts_with(kEnd)) return unusable("the snapshot cache is cut");
  if (trim(last.substr(kEnd.size())) != sha256_hex(before))
    return unusable("the checksum of the snapshot cache is wrong");
  return before.substr(kHeader.size());
}

std::optional<std::string> opened(std::string_view line, const CacheKey* key) {
  if (key == nullptr) return std::nullopt;
  const auto sealed = decode_base64(line);
  if (!sealed) return std::nullopt;
  return key->open(*sealed, kHeader);
}

void append_object(std::vector<Object>& objects, std::string_view line) {
  auto decoded = decode(json::parse(line, nullptr, false));
  if (!decoded) return;
  std::move(decoded->begin(), decoded->end(), std::back_inserter(objects));
}

}  // namespace

std::string write_cache_text(const StoreCopy& objects, const CacheKey* key) {
  std::string text(kHeader);
  for_each_object(objects, [&]<class T>(const T& object) {
    if constexpr (std::is_same_v<T, Secret>) {
      if (key != nullptr) append_sealed(text, object, *key);
    } else if (const json encoded = encode(object); !encoded.is_null()) {
      text.append(line_of(encoded)).push_back('\n');
    }
  });
  const std::string checksum = sha256_hex(text);
  text.append(kEnd).append(checksum).push_back('\n');
  return text;
}

Result<CachedObjects> read_cache_text(std::string_view text, const CacheKey* key) {
  const auto lines = checked_lines(text);
  if (!lines) return lines.error();
  CachedObjects cached;
  for (std::string_view rest = *lines; !rest.empty();) {
    const auto end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!line.starts_with(kSealed)) {
      append_object(cached.objects, line);
      continue;
    }
    auto plain = opened(line.substr(kSealed.size()), key);
    if (!plain) {
      ++cached.sealed_left_out;
      continue;
    }
    append_object(cached.objects, *plain);
    OPENSSL_cleanse(plain->data(), plain->size());
  }
  return cached;
}

}  // namespace cppx::controller
