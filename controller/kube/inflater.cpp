#include "controller/kube/inflater.h"

#include <zlib.h>

#include <array>
#include <new>

namespace cppx::controller {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;

Error broken() {
  return Error{Errc::kParse, ErrorSource::kUpstream, true, "the response body is not valid gzip"};
}

}  // namespace

struct Inflater::Stream {
  z_stream z{};
  bool finished = false;

  Stream() {
    if (inflateInit2(&z, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

Inflater::Inflater(std::size_t limit_bytes)
    : stream_(std::make_unique<Stream>()), limit_bytes_(limit_bytes) {}

Inflater::~Inflater() = default;

Result<void> Inflater::feed(std::string_view bytes, std::string& out) {
  std::array<char, 16UL * 1024> chunk;
  z_stream& z = stream_->z;
  // zlib does not write to its input, but says so only when built with ZLIB_CONST.
  std::string input(bytes);
  z.next_in = reinterpret_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  do {
    if (stream_->finished) return z.avail_in == 0 ? Result<void>{} : Result<void>(broken());
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = static_cast<uInt>(chunk.size());
    const int code = inflate(&z, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return broken();
    stream_->finished = code == Z_STREAM_END;
    out.append(chunk.data(), chunk.size() - z.avail_out);
    if (out.size() > limit_bytes_)
      return Error{
          Errc::kTooLarge, ErrorSource::kUpstream, false, "the response body is larger than allowed"
      };
  } while (z.avail_in > 0 || z.avail_out == 0);
  return {};
}

bool Inflater::finished() const noexcept { return stream_->finished; }

}  // namespace cppx::controller
