#include "tests/unit/proxy/http2_peer.h"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "proxy/codec/http2/preface.h"

namespace cppx::proxy::test {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

void append_integer(std::string& out, std::size_t value) {  // RFC 7541 5.1, prefix of 7 bits
  if (value < 127) {
    out.push_back(static_cast<char>(value));
    return;
  }
  out.push_back(127);
  for (value -= 127; value >= 128; value /= 128)
    out.push_back(static_cast<char>(0x80U | (value % 128)));
  out.push_back(static_cast<char>(value));
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

void append_fields(std::string& out, const routing::HeaderFields& fields) {
  for (const routing::HeaderField& field : fields)
    out.append(field.name).append(": ").append(field.value).append("\n");
}

}  // namespace

std::string Http2Peer::sent(std::size_t room) {
  std::string all;
  std::string out(room, '\0');
  for (;;) {
    const std::size_t size = session.pull(out);
    if (size == 0) return all;
    all.append(out, 0, size);
  }
}

http2::Session::Status Http2Peer::get(std::string_view bytes, std::size_t step) {
  auto status = http2::Session::Status::kOk;
  if (step == 0) step = std::max<std::size_t>(bytes.size(), 1);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    // Copied, so that a look beyond the piece is seen.
    const std::string piece(bytes.substr(0, step));
    status = session.receive(piece, now);
    if (status != http2::Session::Status::kOk) break;
  }
  return status;
}

void Http2Peer::on_request(http2::StreamId id, bool end) {
  heads[id] = session.take_head(id);
  log.push_back("request " + number(id) + (end ? " end" : ""));
}
void Http2Peer::on_bad_request(http2::StreamId id, std::uint16_t status, bool head_method) {
  log.push_back("bad " + number(id) + " " + number(status) + (head_method ? " head" : ""));
}
void Http2Peer::on_response(http2::StreamId id, bool end) {
  routing::ResponseHead head;
  heads[id] = session.take_head(id);
  heads[id].fill(head);
  log.push_back("response " + number(id) + " " + number(head.status) + (end ? " end" : ""));
}
void Http2Peer::on_data(http2::StreamId id, std::span<const char> data) {
  bodies[id].append(data.data(), data.size());
  if (consume_at_once) session.consume(id, data.size());
}
void Http2Peer::on_trailers(http2::StreamId id, std::span<const http2::Field> fields) {
  std::string line = "trailers " + number(id);
  for (const http2::Field& field : fields)
    line.append(" ").append(field.name).append("=").append(field.value);
  log.push_back(line);
}
void Http2Peer::on_end(http2::StreamId id) { log.push_back("end " + number(id)); }
void Http2Peer::on_sent(http2::StreamId id) {
  log.push_back("sent " + number(id));
  sending_.erase(id);
}
void Http2Peer::on_closed(http2::StreamId id, std::uint32_t error_code, bool refused) {
  log.push_back("closed " + number(id) + " " + number(error_code) + (refused ? " refused" : ""));
  sending_.erase(id);
}
void Http2Peer::on_goaway() { log.emplace_back("goaway"); }

bool Http2Peer::send(http2::StreamId id, const std::string& text, bool end) {
  auto sending = std::make_unique<Sending>();
  sending->text = text;
  sending->piece = {.iov_base = sending->text.data(), .iov_len = sending->text.size()};
  if (!session.send_data(id, {&sending->piece, 1}, end)) return false;
  sending_[id] = std::move(sending);
  return true;
}

std::size_t Http2Peer::count(std::string_view kind) const {
  return static_cast<std::size_t>(std::ranges::count_if(log, [&](const std::string& line) {
    return line.substr(0, line.find(' ')) == kind;
  }));
}

bool Http2Peer::has(std::string_view line) const {
  return std::ranges::find(log, line) != log.end();
}

void exchange(Http2Peer& a, Http2Peer& b, std::size_t step) {
  for (;;) {
    const std::string from_a = a.sent();
    b.get(from_a, step);
    const std::string from_b = b.sent();
    a.get(from_b, step);
    if (from_a.empty() && from_b.empty()) return;
  }
}

std::string text_of(const routing::RequestHead& head) {
  std::string text;
  text.append(head.method).append(" ").append(head.target).append("\nhost ").append(head.host);
  text.append("\n");
  append_fields(text, head.fields);
  return text;
}

std::string text_of(const routing::ResponseHead& head) {
  std::string text = number(head.status) + "\n";
  append_fields(text, head.fields);
  return text;
}

std::string u32(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> static_cast<unsigned>(shift) & 0xffU));
  return out;
}

std::string frame(
    std::uint8_t type, std::uint8_t flags, http2::StreamId id, std::string_view payload
) {
  std::string out = u32(static_cast<std::uint32_t>(payload.size())).substr(1);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  out += u32(static_cast<std::uint32_t>(id));
  out.append(payload);
  return out;
}

std::string section(const std::vector<FieldText>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out.push_back(0);
    append_integer(out, name.size());
    out.append(name);
    append_integer(out, value.size());
    out.append(value);
  }
  return out;
}

std::string hello() { return std::string(http2::kPreface) + frame(kSettings, 0, 0); }

std::string get_request(http2::StreamId id) {
  return frame(
      kHeaders, kEndHeaders | kEndStream, id,
      section({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})
  );
}

std::vector<Frame> frames_of(std::string_view bytes) {
  if (http2::is_preface(bytes)) bytes.remove_prefix(http2::kPreface.size());
  std::vector<Frame> frames;
  while (!bytes.empty()) {
    REQUIRE(bytes.size() >= 9);
    const std::size_t size = read_u32(bytes) >> 8U;
    REQUIRE(bytes.size() >= 9 + size);
    frames.push_back(
        {.type = static_cast<std::uint8_t>(bytes[3]),
         .flags = static_cast<std::uint8_t>(bytes[4]),
         .id = read_u32(bytes.substr(5)),
         .payload = std::string(bytes.substr(9, size))}
    );
    bytes.remove_prefix(9 + size);
  }
  return frames;
}

std::int64_t goaway_code(std::string_view bytes) {
  for (const Frame& frame : frames_of(bytes))
    if (frame.type == kGoaway) return read_u32(std::string_view(frame.payload).substr(4));
  return -1;
}

}  // namespace cppx::proxy::test
