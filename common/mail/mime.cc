// See mime.h. Start reading at MimeReader::advance.
#include "common/mail/mime.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"

namespace postern::mail {
namespace {

// A cursor over a structured header value: RFC 2045 tokens, with the comments
// and folding of RFC 5322 between them.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // "" where none is.
  std::string token(std::string_view ends) {
    skip();
    const std::size_t start = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           ends.find(text_[at_]) == std::string_view::npos)
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string value() {
    skip();
    if (at_ >= text_.size() || text_[at_] != '"') return token(";(");
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
    }
    if (at_ < text_.size()) ++at_;
    return out;
  }
  // To behind the next parameter's semicolon. False: there is none.
  bool next_parameter() {
    for (;;) {
      skip();
      if (at_ >= text_.size()) return false;
      if (text_[at_] == ';') {
        ++at_;
        return true;
      }
      if (text_[at_] == '"')
        value();
      else
        ++at_;
    }
  }

 private:
  void skip() {
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '(') {
        ++depth;
      } else if (depth > 0) {
        if (c == ')') --depth;
        if (c == '\\' && at_ + 1 < text_.size()) ++at_;
      } else if (!is_space(c)) {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr std::string_view token_ends = "()<>@,;:\\\"/[]?=";

void take_content_type(std::string_view value, EntityType& out) {
  Words words(value);
  const std::string type = to_lower(words.token(token_ends));
  const std::string subtype =
      words.take('/') ? to_lower(words.token(token_ends)) : std::string();
  out.kind = EntityType::Kind::leaf;
  out.structured = type == "multipart";
  out.digest = out.structured && subtype == "digest";
  out.boundary.clear();
  out.seven_bit_only = false;
  if (type == "message") {
    if (subtype == "rfc822" || subtype == "global")
      out.kind = EntityType::Kind::message;
    out.seven_bit_only = subtype == "partial" || subtype == "external-body";
  }
  if (!out.structured) return;
  while (out.boundary.empty() && words.next_parameter()) {
    const std::string name = words.token(token_ends);
    if (words.take('=') && equal_nocase(name, "boundary"))
      out.boundary = words.value();
  }
  // Without one there is no telling where parts begin.
  if (!out.boundary.empty()) out.kind = EntityType::Kind::multipart;
}

// Encodings that are none (RFC 2045 section 6.4): all that may be said of what
// has parts.
bool is_real_encoding(std::string_view word) {
  return word == "base64" || word == "quoted-printable";
}

}  // namespace

HeaderClass primary_class(const Header& header) {
  return header.info().has(HeaderUse::mime) ? HeaderClass::mime
                                            : HeaderClass::primary;
}

EncodingDomain encoding_domain(std::string_view value) {
  const std::string word = Words(value).token(token_ends);
  if (equal_nocase(word, "8bit")) return EncodingDomain::eight_bit;
  if (equal_nocase(word, "binary")) return EncodingDomain::binary;
  return EncodingDomain::seven_bit;
}

bool declares_eight_bit(const Header& header) {
  return header.info().id == HeaderId::content_transfer_encoding &&
         encoding_domain(header.value()) != EncodingDomain::seven_bit;
}

void EntityType::take(const Header& header) {
  const HeaderId id = header.info().id;
  if (id == HeaderId::content_type) {
    take_content_type(header.value(), *this);
    described = header.text.substr(0, 200);
  }
  if (id != HeaderId::content_transfer_encoding) return;
  domain = encoding_domain(header.value());
  encoding = to_lower(Words(header.value()).token(token_ends));
}

MimeReader::Item MimeReader::begin_body() {
  splitter_ = HeaderSplitter(limits_.header);
  end_section({});
  Item out = std::move(items_.front());
  items_.pop_front();
  return out;
}

void MimeReader::feed(std::string_view bytes) {
  buffer_.erase(0, std::exchange(at_, 0));
  buffer_ += bytes;
}

std::optional<MimeReader::Item> MimeReader::next() {
  while (items_.empty())
    if (!advance()) return std::nullopt;
  Item out = std::move(items_.front());
  items_.pop_front();
  return out;
}

// One line, or as much of it as goes by at once. False: more bytes are needed.
bool MimeReader::advance() {
  if (in_boundary_) return read_boundary_tail();
  if (state_ == State::text) return read_text();
  return read_header_line();
}

// --- header sections of parts ---

bool MimeReader::read_header_line() {
  if (skipping_) return skip_line();
  // Of a longer line no more is looked at, wherever the stream is cut.
  const std::size_t longest = limits_.header + 1;
  const std::size_t end = rest().find('\n');
  const bool whole = end <= longest;
  if (!whole && !finished_ && rest().size() < longest) return false;
  if (rest().empty()) {
    end_section({});
    return true;
  }
  const std::string line(rest().substr(0, std::min(end, longest)));
  std::optional<Header> completed;
  HeaderSplitter::Line kind = HeaderSplitter::Line::body;
  if (!level_of(line)) kind = splitter_.feed(line, completed);
  if (completed) put_header(std::move(*completed));
  if (kind == HeaderSplitter::Line::body) {
    end_section({});
    return true;  // the line is read again, as text
  }
  at_ += line.size() + (whole ? 1 : 0);
  skipping_ = !whole;
  if (kind == HeaderSplitter::Line::separator) end_section("\n");
  return true;
}

// The splitter has what it wants of the line.
bool MimeReader::skip_line() {
  const std::size_t end = rest().find('\n');
  skipping_ = end == std::string_view::npos;
  at_ = skipping_ ? buffer_.size() : at_ + end + 1;
  if (!skipping_) return true;
  skipping_ = !finished_;
  return finished_;
}

void MimeReader::put_header(Header header) {
  entity_.take(header);
  Item item;
  item.kind = Item::Kind::header;
  item.header_class = state_ == State::nested_headers &&
                              !header.info().has(HeaderUse::mime)
                          ? HeaderClass::nested
                          : HeaderClass::mime;
  item.header = std::move(header);
  items_.push_back(std::move(item));
}

void MimeReader::begin_headers(State state, bool message_by_default) {
  state_ = state;
  at_line_start_ = true;
  entity_ = EntityType();
  if (message_by_default) entity_.kind = EntityType::Kind::message;
  splitter_ = HeaderSplitter(limits_.header);
}

// What the entity's headers have said takes effect.
void MimeReader::end_section(std::string_view separator) {
  if (std::optional<Header> last = splitter_.finish())
    put_header(std::move(*last));
  Item item;
  item.kind = Item::Kind::section_end;
  item.bytes = separator;
  EntityType::Kind kind =
      limits_.structure ? entity_.kind : EntityType::Kind::leaf;
  const bool composite = kind != EntityType::Kind::leaf;
  item.domain = entity_.domain;
  item.composite = composite || entity_.structured;
  const bool eight_bit = entity_.domain != EncodingDomain::seven_bit;
  if ((item.composite && is_real_encoding(entity_.encoding)) ||
      (entity_.seven_bit_only &&
       (eight_bit || is_real_encoding(entity_.encoding)))) {
    item.error = MimeError::encoding_domain;
    item.error_text = entity_.encoding;
  }
  if (composite && levels_.size() >= limits_.nesting) {
    item.error = MimeError::nesting;
    item.error_text = entity_.described;
    kind = EntityType::Kind::leaf;
  }
  items_.push_back(std::move(item));

  offset_ = 0;
  state_ = State::text;
  at_line_start_ = true;
  domain_ = composite || entity_.structured ? EncodingDomain::seven_bit
                                            : entity_.domain;
  if (kind == EntityType::Kind::multipart) {
    levels_.push_back(
        {entity_.boundary.substr(0, limits_.boundary), entity_.digest});
    ++boundaries_;
  } else if (kind == EntityType::Kind::message) {
    levels_.push_back({});
    begin_headers(State::nested_headers, false);
  }
}

// --- text ---

// The innermost level whose boundary the line is. Whatever follows the
// boundary string is not looked at: parts of one message are told apart by its
// first mime_boundary_length_limit bytes.
std::optional<std::size_t> MimeReader::level_of(std::string_view line) const {
  if (boundaries_ == 0 || !line.starts_with("--")) return std::nullopt;
  line.remove_prefix(2);
  for (std::size_t i = levels_.size(); i-- > 0;)
    if (!levels_[i].boundary.empty() && line.starts_with(levels_[i].boundary))
      return i;
  return std::nullopt;
}

bool MimeReader::could_be_boundary(std::string_view start) const {
  return boundaries_ > 0 && at_line_start_ &&
         std::string_view("--").starts_with(start.substr(0, 2));
}

// False: it is none.
bool MimeReader::boundary_line(std::string_view line) {
  const std::size_t longest = longest_boundary_line();
  const bool cut = line.size() > longest || line.size() == rest().size();
  line = line.substr(0, longest);
  const std::optional<std::size_t> found = level_of(line);
  if (!found) return false;
  const Level& level = levels_[*found];
  const std::string_view tail = line.substr(2 + level.boundary.size());
  const bool last = tail.starts_with("--");
  const bool digest = level.digest;
  const std::size_t keep = *found + (last ? 0 : 1);
  for (std::size_t i = keep; i < levels_.size(); ++i)
    if (!levels_[i].boundary.empty()) --boundaries_;
  levels_.resize(keep);
  domain_ = EncodingDomain::seven_bit;
  put_text(line.size() + (cut ? 0 : 1));
  items_.back().boundary = true;
  in_boundary_ = cut;
  offset_ = 0;
  if (!last) begin_headers(State::mime_headers, digest);
  return true;
}

bool MimeReader::read_boundary_tail() {
  if (rest().empty()) {
    in_boundary_ = !finished_;
    return finished_;
  }
  const std::size_t end = rest().find('\n');
  const std::size_t size = std::min(rest().size(), limits_.line);
  in_boundary_ = end >= size;
  put_text(in_boundary_ ? size : end + 1);
  items_.back().boundary = true;
  offset_ = 0;
  return true;
}

bool MimeReader::read_text() {
  if (rest().empty()) return false;
  const std::size_t end = rest().find('\n');
  if (could_be_boundary(rest())) {
    if (end == std::string_view::npos && !finished_ &&
        rest().size() <= longest_boundary_line())
      return false;
    if (boundary_line(rest().substr(0, end))) return true;
  }
  if (!limits_.by_line) {
    const std::size_t size = bulk_size();
    if (size == 0) return false;
    put_text(size);
    return true;
  }
  if (end == std::string_view::npos) {
    if (!finished_ && rest().size() <= limits_.line) return false;
    put_text(std::min(rest().size(), limits_.line));
    return true;
  }
  // The line end does not count, and stays with the last piece.
  put_text(end > limits_.line ? limits_.line : end + 1);
  return true;
}

// Up to what could be the next boundary line.
std::size_t MimeReader::bulk_size() const {
  const std::string_view text = rest();
  if (boundaries_ == 0) return text.size();
  const std::size_t next = text.find("\n--");
  if (next != std::string_view::npos) return next + 1;
  if (finished_) return text.size();
  const std::size_t line = text.rfind('\n');
  if (line == std::string_view::npos || line + 1 == text.size())
    return text.size();
  return text[line + 1] == '-' ? line + 1 : text.size();
}

void MimeReader::put_text(std::size_t size) {
  Item item;
  item.kind = Item::Kind::text;
  item.bytes = rest().substr(0, size);
  item.domain = domain_;
  item.offset = offset_;
  offset_ += static_cast<std::int64_t>(size);
  at_line_start_ = item.bytes.ends_with('\n');
  at_ += size;
  items_.push_back(std::move(item));
}

}  // namespace postern::mail
