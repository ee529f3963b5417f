
#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "controller/kube/api_error.h"
#include "controller/kube/backoff.h"
#include "controller/kube/inflater.h"
#include "controller/kube/line_splitter.h"
#include "controller/kube/resource.h"
#include "controller/kube/url.h"
#include "controller/kube/watch_event.h"
#include "tests/unit/controller/kube_support.h"

namespace cppx::controller::test {
namespace {

using std::chrono::milliseconds;

std::vector<std::string> all_lines(LineSplitter& splitter) {
  std::vector<std::string> lines;
  while (const auto line = splitter.next()) lines.emplace_back(*line);
  return lines;
}

TEST_CASE("LineSplitter: the pieces a stream comes in make no difference", "[controller]") {
  const std::string text = "one\n\ntwo\r\nthree three three\n\n\nrest";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    LineSplitter splitter(100);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      splitter.feed(text.substr(at, piece));
      for (std::string& line : all_lines(splitter)) lines.push_back(std::move(line));
    }
    CAPTURE(piece);
    CHECK(lines == std::vector<std::string>{"one", "two", "three three three"});
    CHECK(splitter.pending_bytes() == 4);
  }
}

TEST_CASE("LineSplitter: a line over the limit is left out, and not held", "[controller]") {
  const std::string text = "12345678\n123456789\nok\n" + std::string(1000, 'x') + "\nend\n";
  for (const std::size_t piece : {1UL, 3UL, 7UL, text.size()}) {
    LineSplitter splitter(8);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      splitter.feed(std::string_view(text).substr(at, piece));
      for (std::string& line : all_lines(splitter)) lines.push_back(std::move(line));
      if (piece < 10) CHECK(splitter.pending_bytes() <= 8 + piece);
    }
    CAPTURE(piece);
    CHECK(lines == std::vector<std::string>{"12345678", "ok", "end"});
    CHECK(splitter.dropped() == 2);
  }
}

TEST_CASE("Inflater: gives back what was compressed, in any pieces", "[controller]") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919);
  const std::string packed = gzip(text);
  for (const std::size_t piece : {1UL, 1000UL, packed.size()}) {
    Inflater inflater(1'000'000);
    std::string out;
    for (std::size_t at = 0; at < packed.size(); at += piece)
      REQUIRE(inflater.feed(std::string_view(packed).substr(at, piece), out));
    CHECK(inflater.finished());
    CHECK(out == text);
  }
}

TEST_CASE("Inflater: cut, broken and oversized bodies are told", "[controller]") {
  const std::string packed = gzip(std::string(100'000, 'a'));
  std::string out;
  Inflater cut(1'000'000);
  REQUIRE(cut.feed(packed.substr(0, packed.size() / 2), out));
  CHECK_FALSE(cut.finished());

  Inflater broken(1'000'000);
  CHECK(broken.feed("this is not gzip at all", out).error().code == Errc::kParse);

  std::string small;
  Inflater bomb(50'000);
  CHECK(bomb.feed(packed, small).error().code == Errc::kTooLarge);

  std::string exact;
  Inflater trailing(1'000'000);
  CHECK(trailing.feed(packed + "more", exact).error().code == Errc::kParse);
}

TEST_CASE("Backoff: doubles from least to most, shortened by up to a half", "[controller]") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    Backoff backoff(milliseconds(500), milliseconds(30'000), seed);
    for (const int full : {500, 1000, 2000, 4000, 8000, 16'000, 30'000, 30'000}) {
      const auto delay = backoff.next();
      CHECK(delay <= milliseconds(full));
      CHECK(delay >= milliseconds(full / 2));
    }
    backoff.reset();
    CHECK(backoff.next() <= milliseconds(500));
  }
  Backoff one(milliseconds(1000), milliseconds(1000), 1);
  CHECK(one.next() != one.next());
}

TEST_CASE("WatchEvent: known types only", "[controller]") {
  const auto added = parse_watch_event(R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})");
  REQUIRE(added);
  CHECK(added->type == WatchEventType::kAdded);
  CHECK(metadata_text(added->object, "name") == "a");
  CHECK(metadata_text(added->object, "namespace").empty());
  CHECK(parse_watch_event(R"({"type":"BOOKMARK","object":{}})")->type == WatchEventType::kBookmark);
  CHECK(parse_watch_event("{").error().detail == "not a JSON object");
  CHECK(parse_watch_event("{}").error().detail == "no type");
  CHECK(parse_watch_event(R"({"type":"ADDED","object":[]})").error().detail == "no object");
  CHECK(parse_watch_event(R"({"type":"A","object":{}})").error().detail == "unknown type");
}

TEST_CASE("error_of_status: every status has its code", "[controller]") {
  struct Case {
    unsigned status;
    Errc code;
    bool retryable;
  };
  for (const auto& [status, code, retryable] :
       {Case{400, Errc::kProtocol, false}, Case{401, Errc::kUnauthorized, false},
        Case{403, Errc::kUnauthorized, false}, Case{404, Errc::kNotFound, false},
        Case{408, Errc::kTimeout, true}, Case{409, Errc::kConflict, false},
        Case{410, Errc::kGone, false}, Case{422, Errc::kProtocol, false},
        Case{429, Errc::kUnavailable, true}, Case{500, Errc::kUnavailable, true},
        Case{503, Errc::kUnavailable, true}, Case{301, Errc::kProtocol, false}}) {
    CAPTURE(status);
    CHECK(error_of_status(status, "m").code == code);
    CHECK(error_of_status(status, "m").retryable == retryable);
  }
  CHECK(error_of_status(403, " no\nway ").detail == "403 Forbidden: no way");
  CHECK(error_of_status(503, "").detail == "503 Service Unavailable");
}

TEST_CASE("Resource: paths of collections and objects", "[controller]") {
  CHECK(collection_path(resource_of(Kind::kIngress), "") == "/apis/networking.k8s.io/v1/ingresses");
  CHECK(
      collection_path(resource_of(Kind::kEndpointSlice), "shop") ==
      "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
  );
  CHECK(
      collection_path(resource_of(Kind::kIngressClass), "shop") ==
      "/apis/networking.k8s.io/v1/ingressclasses"
  );
  CHECK(
      object_path(resource_of(Kind::kSecret), {"shop", "cert"}) ==
      "/api/v1/namespaces/shop/secrets/cert"
  );
  CHECK(encode_query_value("type!=helm.sh/release.v1") == "type%21%3Dhelm.sh%2Frelease.v1");
}

}  // namespace
}  // namespace cppx::controller::test
