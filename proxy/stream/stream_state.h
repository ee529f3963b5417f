#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/codec/http1/head_parser.h"
#include "proxy/codec/proxy_protocol/header.h"
#include "proxy/observe/access_record.h"
#include "proxy/stream/http1/http1_side.h"
#include "proxy/worker/memory_growth.h"
#include "routing/http/message.h"

namespace cppx::proxy {

/// What a stream needs beyond its buffers, some 4 KiB: kept by the worker for reuse, so that an
/// idle connection has none.
struct StreamState {
  Http1Side downstream{http1::HeadParser::Kind::kRequest};
  Http1Side upstream{http1::HeadParser::Kind::kResponse};
  routing::RequestHead request;
  routing::ResponseHead response;
  std::string path_scratch;
  /// What each connection to a backend begins with; of size 0 where nothing does.
  std::array<char, proxy_protocol::kMaxWritten> proxy_header;
  std::size_t proxy_header_bytes = 0;
  std::string request_id;     ///< Of our own making, for a request that came without one.
  std::string websocket_key;  ///< For a WebSocket that came over HTTP/2, where there is none.
  std::string set_cookie;     ///< Value of a Set-Cookie field for the session.
  AccessRecord access;
};

class StreamStatePool {
 public:
  /// `growth` hears of each stream that takes memory of its own; it must outlive the pool.
  explicit StreamStatePool(MemoryGrowth& growth) noexcept : growth_(growth) {}

  std::unique_ptr<StreamState> take() {
    if (free_.empty()) {
      growth_.add(MemoryGrowth::kStream);
      return std::make_unique<StreamState>();
    }
    auto state = std::move(free_.back());
    free_.pop_back();
    return state;
  }
  void give_back(std::unique_ptr<StreamState> state) {
    if (free_.size() < kKept) free_.push_back(std::move(state));
  }
  void release_idle() noexcept { free_.clear(); }

 private:
  static constexpr std::size_t kKept = 512;
  MemoryGrowth& growth_;
  std::vector<std::unique_ptr<StreamState>> free_;
};

}  // namespace cppx::proxy
