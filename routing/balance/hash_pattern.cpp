#include "routing/balance/hash_pattern.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "routing/balance/sip_hash.h"
#include "routing/variable/request_variable.h"
#include "routing/variable/template_text.h"

namespace cppx::routing {
namespace {

constexpr std::size_t kMostParts = 16;

}  // namespace

class HashPattern::Sink {
 public:
  void literal(std::string_view text) noexcept { hash_.update(text); }
  void value(std::string_view text) noexcept {
    has_value_ = has_value_ || !text.empty();
    hash_.update(text);
  }
  void lowered(std::string_view text) noexcept {
    has_value_ = has_value_ || !text.empty();
    for (const char c : text) hash_.push(static_cast<std::uint8_t>(to_lower(c)));
  }
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }
  [[nodiscard]] std::uint64_t finish() const noexcept { return hash_.finish(); }

 private:
  SipHash hash_{SipKey{}};
  bool has_value_ = false;
};

std::optional<HashPattern::Part> HashPattern::variable(std::string_view name) {
  if (name == "remote_addr" || name == "binary_remote_addr")
    return Part{.kind = Kind::kClientAddress};
  auto found = RequestVariable::parse(name);
  if (!found) return std::nullopt;
  return Part{.kind = Kind::kRequest, .variable = std::move(*found)};
}

std::optional<HashPattern> HashPattern::parse(std::string_view text) {
  HashPattern out;
  out.text_ = text;
  while (const auto piece = take_piece(text)) {
    if (piece->kind == TemplatePiece::Kind::kNoName) return std::nullopt;
    std::optional<Part> part = piece->kind == TemplatePiece::Kind::kLiteral
                                   ? Part{.kind = Kind::kLiteral, .text = std::string(piece->text)}
                                   : variable(piece->text);
    if (!part) return std::nullopt;
    out.parts_.push_back(std::move(*part));
    if (out.parts_.size() > kMostParts) return std::nullopt;
  }
  if (out.parts_.empty()) return std::nullopt;
  return out;
}

std::optional<std::uint64_t> HashPattern::hash(const HashInput& input) const noexcept {
  Sink sink;
  bool variables = false;
  for (const Part& part : parts_) {
    variables = variables || part.kind != Kind::kLiteral;
    switch (part.kind) {
      case Kind::kLiteral:
        sink.literal(part.text);
        break;
      case Kind::kClientAddress:
        sink.value(input.client_address);
        break;
      case Kind::kRequest:
        part.variable.feed(input.request, sink);
        break;
    }
  }
  if (parts_.empty() || (variables && !sink.has_value())) return std::nullopt;
  return sink.finish();
}

}  // namespace cppx::routing
