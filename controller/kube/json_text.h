#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cppx::controller {

/// What surrounds the items of a list of the Kubernetes API.
struct ListPage {
  std::string resource_version;
  std::string continuation;  ///< Token of the next page; empty: this was the last one.
};

/// `text` with every byte that is not part of valid UTF-8 (RFC 3629) replaced by U+FFFD, as Go's
/// decoder does; itself, without a copy, when it is valid: `storage` holds the copy.
std::string_view valid_utf8(std::string_view text, std::string& storage);

/// JSON of the API server: discarded when it is none. Bytes that are no UTF-8 spoil only the string
/// they are in.
nlohmann::json parse_api_json(std::string_view text);

/// Hands the items of a list to `item` one by one, so that never more than one of them exists as a
/// tree. kParse when it is not a list; items may have been handed over by then.
Result<ListPage> read_list(
    std::string_view body, const std::function<void(const nlohmann::json&)>& item
);

}  // namespace cppx::controller
