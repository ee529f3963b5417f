#include "controller/kube/json_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "controller/kube/watch_event.h"

namespace cppx::controller {
namespace {

using nlohmann::json;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// One row of the table of well-formed sequences (Unicode 15, table 3-7).
struct Sequence {
  unsigned char first_least;
  unsigned char first_most;
  unsigned char second_least;
  unsigned char second_most;
  std::uint8_t length;
};

constexpr std::array<Sequence, 8> kSequences = {{
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
}};

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Bytes of the valid sequence that begins at `at` with a byte over 127; 0: there is none.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at);
  const auto* row = std::ranges::find_if(kSequences, [first](const Sequence& candidate) {
    return first >= candidate.first_least && first <= candidate.first_most;
  });
  if (row == kSequences.end() || text.size() - at < row->length) return 0;
  const unsigned char second = byte_at(text, at + 1);
  if (second < row->second_least || second > row->second_most) return 0;
  for (std::size_t i = 2; i < row->length; ++i)
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  return row->length;
}

/// Where the first byte is that belongs to no valid sequence; the size when all is well.
std::size_t first_invalid(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & kHighBits) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = byte_at(text, at) < 0x80 ? 1 : sequence_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

Error not_a_list(std::string detail) {
  return Error{Errc::kParse, ErrorSource::kUpstream, true, std::move(detail)};
}

}  // namespace

std::string_view valid_utf8(std::string_view text, std::string& storage) {
  std::size_t bad = first_invalid(text, 0);
  if (bad == text.size()) return text;
  storage.clear();
  std::size_t copied = 0;
  while (bad < text.size()) {
    storage.append(text.substr(copied, bad - copied)).append(kReplacement);
    copied = bad + 1;
    bad = first_invalid(text, copied);
  }
  storage.append(text.substr(copied));
  return storage;
}

json parse_api_json(std::string_view text) {
  std::string storage;
  return json::parse(valid_utf8(text, storage), nullptr, false);
}

Result<ListPage> read_list(std::string_view body, const std::function<void(const json&)>& item) {
  constexpr int kMemberDepth = 1;
  constexpr int kItemDepth = 2;
  bool in_items = false;
  const json::parser_callback_t take_items = [&](int depth, json::parse_event_t event,
                                                 json& value) {
    if (event == json::parse_event_t::key && depth == kMemberDepth) in_items = value == "items";
    if (!in_items || depth != kItemDepth || event != json::parse_event_t::object_end) return true;
    item(value);
    return false;
  };
  std::string storage;
  const json list = json::parse(valid_utf8(body, storage), take_items, false);
  if (list.is_discarded()) return not_a_list("the response body is not JSON");
  if (!list.is_object()) return not_a_list("the answer is not a list");
  const auto items = list.find("items");
  if (items != list.end() && !items->is_array() && !items->is_null())
    return not_a_list("the answer is not a list");
  return ListPage{metadata_text(list, "resourceVersion"), metadata_text(list, "continue")};
}

}  // namespace cppx::controller
