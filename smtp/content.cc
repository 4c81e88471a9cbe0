#include "smtp/content.h"

namespace postern::smtp {

void ContentEncoder::encode(std::string_view piece, std::string& out) {
  out.reserve(out.size() + piece.size() + piece.size() / 16 + 16);
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    text(piece.substr(0, end), out);
    if (end == std::string_view::npos) return;
    out += "\r\n";
    at_start_ = true;
    column_ = 0;
    piece.remove_prefix(end + 1);
  }
}

void ContentEncoder::text(std::string_view part, std::string& out) {
  if (part.empty()) return;
  if (at_start_ && part.front() == '.') out += '.';
  at_start_ = false;
  // A line is broken only when more of it follows.
  while (limit_ > 1 && column_ + part.size() > limit_) {
    const std::size_t room = limit_ - column_;
    out += part.substr(0, room);
    out += "\r\n ";
    part.remove_prefix(room);
    broke_lines_ = true;
    column_ = 1;
  }
  out += part;
  column_ += part.size();
}

void ContentEncoder::finish(std::string& out) {
  if (!at_start_) out += "\r\n";
  at_start_ = true;
  column_ = 0;
}

}  // namespace postern::smtp
