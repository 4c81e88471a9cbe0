// The lookup keys that header_checks(5) and body_checks(5) would make of a
// message: what postmap -h, -b and -m ask with.
#pragma once

#include <functional>
#include <string_view>

namespace postern::tools {

struct MessageKeys {
  bool headers = false;  // -h: each header, with its folding
  bool body = false;     // -b: each other line, the empty ones too
  bool mime = false;     // -m: headers of parts and of attached messages count
                         // as headers, not as body
};

// Gives the keys in the order of the message. Lines end in "\n" or "\r\n".
void each_message_key(std::string_view message, const MessageKeys& wanted,
                      const std::function<void(std::string_view)>& use);

}  // namespace postern::tools
