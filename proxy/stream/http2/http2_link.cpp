#include "proxy/stream/http2/http2_link.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proxy/worker/worker.h"

namespace cppx::proxy {
namespace {

// Reads in a row before other work has its turn.
constexpr int kTurns = 16;

}  // namespace

Http2Link::Http2Link(
    Worker& worker, Transport& transport, http2::Session& session, Http2LinkOwner& owner,
    std::chrono::milliseconds send_timeout
)
    : worker_(worker),
      transport_(transport),
      session_(session),
      owner_(owner),
      send_timeout_(send_timeout) {
  worker_.memory_growth().add(MemoryGrowth::kHttp2Session);
  written_.set();
  resumed_.set();
}

void Http2Link::forget(const Http2Stream& stream) noexcept {
  for (auto* list : {&woken_, &resuming_}) {
    for (Http2Stream*& woken : *list)
      if (woken == &stream) woken = nullptr;
  }
}

void Http2Link::resume_woken() {
  // What is resumed may wake others, or itself again.
  while (!woken_.empty()) {
    std::swap(woken_, resuming_);
    for (std::size_t i = 0; i < resuming_.size(); ++i) {
      if (resuming_[i] != nullptr) resuming_[i]->resume();
    }
    resuming_.clear();
  }
}

void Http2Link::resume_soon() {
  if (resuming_soon_) return;
  resuming_soon_ = true;
  resumed_.reset();
  spawn(resume_later(), [this] {
    resuming_soon_ = false;
    resumed_.set();
  });
}

Task<void> Http2Link::resume_later() {
  co_await worker_.yield();
  resume_woken();
}

Task<void> Http2Link::settle() {
  while (!idle()) {
    co_await resumed_;
    co_await written_;
  }
}

bool Http2Link::feed(std::span<const char> bytes) {
  const auto status = session_.receive(bytes, std::chrono::steady_clock::now());
  owner_.on_fed();
  resume_woken();
  flush();
  return status == http2::Session::Status::kOk && !session_.finished();
}

Task<void> Http2Link::run(Early early) {
  flush();
  bool alive = true;
  bool dry = false;
  if (early.begin != early.end)
    alive = feed({early.memory.data() + early.begin, early.end - early.begin});
  early.memory.reset();
  for (int turn = 1; alive && !failed_; ++turn) {
    // A peer that sends without a pause must not keep the others waiting.
    if (turn % kTurns == 0) co_await worker_.yield();
    // A part of a record may lie in OpenSSL, which then says that there is something.
    if (dry || !transport_.has_buffered_input()) {
      // Nothing is held while nothing comes.
      const auto ready = co_await transport_.wait(Direction::kRead);
      timed_out_ = ready == IoStatus::kTimeout;
      if (ready != IoStatus::kOk) break;
    }
    Buffer memory = worker_.buffers().take_small();
    const auto got = transport_.try_read({memory.data(), memory.size()});
    dry = got.status == IoStatus::kWantRead;
    if (dry) continue;
    if (!got.ok()) {
      note_end(got.status == IoStatus::kEof);
      break;
    }
    alive = feed({memory.data(), got.bytes});
  }
  ending_ = true;
  owner_.on_ending();
  session_.goaway();
  flush();
  co_await settle();
  failed_ = true;  // there is nothing to write to any more
}

// The socket tells why it failed only once: what is seen after that looks like an orderly end.
void Http2Link::note_end(bool by_fin) noexcept {
  if (!ended_by_fin_) ended_by_fin_ = by_fin;
}

std::uint64_t Http2Link::read_at_most() const noexcept {
  const std::uint64_t sent = transport_.sent_bytes();
  // A peer that read and then reset the connection may not have acknowledged it yet. One that had
  // sent its FIN before anything came had read nothing by then, and could answer nothing after it.
  if (!ended_by_fin_.value_or(false)) return sent;
  return sent - std::min(sent, transport_.unacknowledged_bytes());
}

void Http2Link::flush() {
  if (writing_ || failed_ || !session_.wants_write()) return;
  writing_ = true;
  written_.reset();
  spawn(write(), [this] {
    writing_ = false;
    // What was resumed by the last frames may have asked for more.
    flush();
    if (!writing_) written_.set();
  });
}

Task<void> Http2Link::write() {
  co_await worker_.yield();
  Buffer memory = worker_.buffers().take_large();
  for (;;) {
    const std::size_t size = session_.pull({memory.data(), memory.size()});
    if (size == 0) {
      resume_woken();
      if (session_.wants_write()) continue;
      // The last stream of a connection that takes no more has ended.
      if (session_.finished()) transport_.cancel(Direction::kRead);
      co_return;
    }
    iovec piece{.iov_base = memory.data(), .iov_len = size};
    const auto written = co_await transport_.write_all({&piece, 1}, send_timeout_);
    resume_woken();
    if (written.ok()) continue;
    // A socket that was reset after the peer's FIN says so with this error.
    note_end(written.error == EPIPE);
    failed_ = true;
    // The reader ends, and with it all streams.
    transport_.cancel();
    co_return;
  }
}

}  // namespace cppx::proxy
