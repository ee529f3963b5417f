// A body of an API server. The first byte says of what: 'l' a list, 's' a label selector's text;
// else the lines of a watch, cut into two pieces at that place.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "controller/kube/json_text.h"
#include "controller/kube/label_selector.h"
#include "controller/kube/line_splitter.h"
#include "controller/kube/watch_event.h"
#include "controller/model/decode.h"
#include "tests/fuzz/require.h"

namespace {

using namespace cppx::controller;
using cppx::test::require;

constexpr std::size_t kLineLimit = 512;

void decode_item(const nlohmann::json& item) {
  static_cast<void>(metadata_text(item, "resourceVersion"));
  static_cast<void>(ends_initial_events(item));
  const auto decoded = decode(item, "Ingress");
  if (!decoded) require(!decoded.error().detail.empty(), "says why");
}

std::vector<std::string> lines_of(std::string_view first, std::string_view second) {
  LineSplitter splitter(kLineLimit);
  std::vector<std::string> out;
  for (const std::string_view piece : {first, second}) {
    splitter.feed(piece);
    while (const auto line = splitter.next()) {
      require(!line->empty() && line->size() <= kLineLimit, "a line is neither empty nor too long");
      require(line->find('\n') == std::string_view::npos, "a line is one");
      out.emplace_back(*line);
    }
    require(splitter.pending_bytes() <= kLineLimit + piece.size(), "no more is held than has come");
  }
  return out;
}

void check_watch(std::string_view body, std::size_t cut) {
  const auto lines = lines_of(body.substr(0, cut), body.substr(cut));
  require(lines == lines_of(body, {}), "the same lines however they are cut");
  for (const std::string& line : lines) {
    const auto event = parse_watch_event(line);
    if (!event) continue;
    require(event->object.is_object(), "an event has an object");
    decode_item(event->object);
    if (event->type == WatchEventType::kError)
      static_cast<void>(error_of_status_object(event->object));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 65536) return 0;
  const std::string_view body{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (data[0] == 'l') {
    const auto page = read_list(body, decode_item);
    if (!page) require(!page.error().detail.empty(), "says why it is no list");
  } else if (data[0] == 's') {
    const auto checked = check_label_selector(body);
    if (!checked) require(!checked.error().detail.empty(), "says which requirement is wrong");
  } else {
    check_watch(body, data[0] % (body.size() + 1));
  }
  return 0;
}
