#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cppx::proxy {

/// "Not Found" and so on; static text. Every status this program answers with has one.
std::string_view reason_phrase(std::uint16_t status) noexcept;

/// An answer the proxy makes itself.
struct LocalReply {
  std::uint16_t status = 500;
  std::string_view location{};                   ///< Redirects; empty otherwise.
  std::string_view strict_transport_security{};  ///< Empty: not sent.
  std::string_view note{};                       ///< A line on the page below the status.
  bool empty_body = false;
};

/// A short HTML page that says the status, as users of nginx know it; empty for a reply without a
/// body. Needs room for 512 bytes.
std::string_view local_reply_page(std::span<char> memory, const LocalReply& reply);

/// How the reply goes out over HTTP/1.x.
struct LocalReplyFraming {
  std::string_view date;
  bool keep_alive = false;
  bool head_method = false;  ///< No body, but the length it would have.
};

/// The whole reply as HTTP/1.1 text in `memory`, which has room for the page and for a head of the
/// largest size.
std::string_view local_reply_text(
    std::span<char> memory, const LocalReply& reply, const LocalReplyFraming& framing
);

/// Bytes of the head of such a text.
std::size_t head_bytes(std::string_view reply_text) noexcept;

}  // namespace cppx::proxy
