#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cppx::controller {

/// Decompresses a gzip body as it comes in. kParse when it is not gzip, kTooLarge when more than
/// `limit_bytes` come out.
class Inflater {
 public:
  explicit Inflater(std::size_t limit_bytes);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Appends to `out` what the bytes decompress to.
  Result<void> feed(std::string_view bytes, std::string& out);
  /// Whether the body was complete.
  [[nodiscard]] bool finished() const noexcept;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::size_t limit_bytes_;
};

}  // namespace cppx::controller
