#include "proxy/codec/http1/body_reader.h"

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "proxy/codec/http1/body_gather.h"

namespace cppx::proxy::http1 {
namespace {

using routing::BodyFraming;
using BodyStatus = BodyReader::Status;

struct Read {
  std::string data;
  std::string rest;  // of the input
  BodyStatus status = BodyStatus::kNeedMore;
};

/// Feeds `input` in pieces of `step` bytes (0: at once), as a connection would.
Read read_all(BodyReader& reader, std::string_view input, std::size_t step) {
  Read read;
  std::string pending;
  std::size_t fed = 0;
  do {
    const std::size_t size = step == 0 ? input.size() : std::min(step, input.size() - fed);
    pending.append(input.substr(fed, size));
    fed += size;
    for (;;) {
      const auto step_result = reader.next(pending);
      read.data.append(step_result.data);
      pending.erase(0, step_result.consumed);
      read.status = step_result.status;
      if (read.status != BodyStatus::kData) break;
    }
    if (read.status != BodyStatus::kNeedMore) break;
  } while (fed < input.size());
  read.rest = pending + std::string(input.substr(fed));
  return read;
}

}  // namespace

TEST_CASE("BodyReader: chunks, extensions and trailers", "[proxy]") {
  const std::size_t step = GENERATE(0U, 1U, 3U, 8U);
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  const auto read = read_all(
      reader,
      "5\r\nhello\r\n00B;name=\"v\"\r\n, it's me. \r\n0;x\r\nX-Sum: abc \r\nContent-Length: "
      "9\r\n\r\nGET",
      step
  );
  CHECK(read.status == BodyStatus::kEnd);
  CHECK(read.data == "hello, it's me. ");
  CHECK(read.rest == "GET");
  // A field that frames the message has no place behind it.
  CHECK(reader.trailers() == "X-Sum: abc\r\n");
}

TEST_CASE("BodyReader: trailers that Connection names stay on the connection", "[proxy]") {
  BodyReader reader;
  for (const bool named : {true, false}) {
    {
      routing::HeaderFields head;
      std::string value = named ? "close, X-Hop" : "close";
      head.push({.name = "Connection", .value = value, .id = routing::HeaderId::kConnection});
      reader.start_response(BodyFraming::kChunked, 0, head);
      value.assign(value.size(), '?');  // the memory of the head is used for other things
    }
    CHECK(read_all(reader, "0\r\nx-hop: 1\r\nX-Sum: 2\r\n\r\n", 0).status == BodyStatus::kEnd);
    CHECK(reader.trailers() == (named ? "X-Sum: 2\r\n" : "x-hop: 1\r\nX-Sum: 2\r\n"));
  }
}

TEST_CASE("BodyReader: what is not exactly a chunk is refused", "[proxy]") {
  const auto input = GENERATE(
      as<std::string>{}, "\r\n", "g\r\n", "-1\r\n", "+1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n",
      "1 1\r\na\r\n", "1 x\r\na\r\n", "1 \n", "0x1\r\na\r\n", "1\na\r\n", "1\r\nab\r\n", "1\r\na\n",
      "1\r\na\rx", "1;\x01\r\na\r\n", "1;a\nb\r\na\r\n", "fffffffffffffffff\r\n",
      "0000000000000001\r\na\r\n", "0\r\nno colon\r\n\r\n", "0\r\nbad name: x\r\n\r\n",
      "0\r\nX: a\n\r\n", "0\r\nX: a\rb\r\n\r\n", "0\r\n: x\r\n\r\n", "0\r\n folded\r\n\r\n", "0\n\n"
  );
  const std::size_t step = GENERATE(0U, 1U);
  INFO(input);
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  CHECK(read_all(reader, input, step).status == BodyStatus::kBad);
}

// RFC 9112 7.1.1, RFC 9110 5.6.3.
TEST_CASE("BodyReader: bad whitespace in front of an extension", "[proxy]") {
  const std::string space = GENERATE(" ", "\t", " \t ");
  const std::size_t step = GENERATE(0U, 1U);
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  const auto read = read_all(reader, "1" + space + ";a=b\r\na\r\n0" + space + ";\r\n\r\n", step);
  CHECK(read.status == BodyStatus::kEnd);
  CHECK(read.data == "a");
}

TEST_CASE("BodyReader: a response's chunk sizes may be filled up with spaces", "[proxy]") {
  const std::size_t step = GENERATE(0U, 1U);
  BodyReader reader;
  reader.start_response(BodyFraming::kChunked, 0, {});
  const auto read = read_all(reader, "1   \r\na\r\n0 \r\n\r\n", step);
  CHECK(read.status == BodyStatus::kEnd);
  CHECK(read.data == "a");
  for (const std::string bad : {"1 x\r\na\r\n", " 1\r\na\r\n", "1 \na\r\n"}) {
    reader.start_response(BodyFraming::kChunked, 0, {});
    CHECK(read_all(reader, bad, step).status == BodyStatus::kBad);
  }
  reader.start_response(BodyFraming::kChunked, 0, {});
  CHECK(
      read_all(reader, "1" + std::string(300, ' ') + "\r\na\r\n", step).status == BodyStatus::kBad
  );
}

TEST_CASE("BodyReader: bounded extensions and trailers", "[proxy]") {
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  CHECK(read_all(reader, "1;" + std::string(300, 'a') + "\r\na\r\n", 0).status == BodyStatus::kBad);
  reader.start(BodyFraming::kChunked, 0);
  std::string many = "0\r\n";
  for (int i = 0; i < 1000; ++i) many += "X: 0123456789\r\n";
  CHECK(read_all(reader, many, 0).status == BodyStatus::kBad);
  for (const std::size_t lines : {routing::kMaxHeaderFields, routing::kMaxHeaderFields + 1}) {
    reader.start(BodyFraming::kChunked, 0);
    std::string short_lines = "0\r\n";
    for (std::size_t i = 0; i < lines; ++i) short_lines += "X:\r\n";
    const bool fits = lines == routing::kMaxHeaderFields;
    CHECK((read_all(reader, short_lines + "\r\n", 0).status == BodyStatus::kEnd) == fits);
  }
}

TEST_CASE("BodyReader: by length and until close", "[proxy]") {
  BodyReader reader;
  reader.start(BodyFraming::kLength, 5);
  const auto exact = read_all(reader, "helloGET", GENERATE(0U, 1U));
  CHECK(exact.status == BodyStatus::kEnd);
  CHECK(exact.data == "hello");
  CHECK(exact.rest == "GET");

  reader.start(BodyFraming::kLength, 5);
  CHECK(read_all(reader, "hell", 0).status == BodyStatus::kNeedMore);
  CHECK(reader.at_close() == BodyStatus::kBad);

  reader.start(BodyFraming::kUntilClose, 0);
  CHECK(read_all(reader, "anything", 0).data == "anything");
  CHECK(reader.at_close() == BodyStatus::kEnd);

  reader.start(BodyFraming::kNone, 0);
  const auto none = read_all(reader, "GET", 0);
  CHECK(none.status == BodyStatus::kEnd);
  CHECK(none.rest == "GET");
}

/// `input` as it goes to the other side.
std::string frame_anew(
    BodyReader& reader, std::string_view input, std::string_view head, bool chunked
) {
  BodyGather gather;
  BodyFramer framer;
  std::string output;
  for (auto status = BodyStatus::kData; status == BodyStatus::kData; head = {}) {
    const auto part = gather.gather(reader, input);
    const BodyFramer::Body body{
        .pieces = part.pieces,
        .bytes = part.body_bytes,
        .end = part.status == BodyStatus::kEnd,
        .trailers = reader.trailers()
    };
    for (const iovec& piece : framer.frame(head, body, chunked))
      output.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    input.remove_prefix(part.consumed);
    status = part.status;
  }
  return output;
}

TEST_CASE("BodyFramer: a body is framed anew for the other side", "[proxy]") {
  struct Case {
    BodyFraming framing;
    std::uint64_t length;
    std::string input;
    bool chunked;
    std::string output;
  };
  const auto test = GENERATE(values<Case>({
      {BodyFraming::kLength, 5, "hello", false, "HEADhello"},
      {BodyFraming::kNone, 0, "", false, "HEAD"},
      {BodyFraming::kUntilClose, 0, "hello", true, "HEAD5\r\nhello\r\n"},
      {BodyFraming::kChunked, 0, "5;x=y\r\nhello\r\n0\r\n\r\n", true, "HEAD5\r\nhello\r\n0\r\n\r\n"
      },
      {BodyFraming::kChunked, 0, "5\r\nhello\r\n0\r\nA: b\r\n\r\n", true,
       "HEAD5\r\nhello\r\n0\r\nA: b\r\n\r\n"},
      {BodyFraming::kChunked, 0, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false, "HEADhello world"
      },
      {BodyFraming::kChunked, 0, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", true,
       "HEADb\r\nhello world\r\n0\r\n\r\n"},
  }));
  BodyReader reader;
  reader.start(test.framing, test.length);
  CHECK(frame_anew(reader, test.input, "HEAD", test.chunked) == test.output);
}

TEST_CASE("BodyGather: very many small chunks come out whole", "[proxy]") {
  std::string input;
  std::string body;
  for (int i = 0; i < 500; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    input += std::string("1\r\n") + c + "\r\n";
    body += c;
  }
  input += "0\r\n\r\n";
  BodyReader reader;
  reader.start(BodyFraming::kChunked, 0);
  BodyReader second;
  second.start(BodyFraming::kChunked, 0);
  const std::string framed = frame_anew(reader, input, {}, true);
  const auto read = read_all(second, framed, 0);
  CHECK(read.status == BodyStatus::kEnd);
  CHECK(read.data == body);
}

}  // namespace cppx::proxy::http1
