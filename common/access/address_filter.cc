#include "common/access/address_filter.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postern::access {
namespace {

// Reads a filter from left to right.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  std::optional<unsigned> number() {
    unsigned value = 0;
    const std::size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_]) && value < 256)
      value = value * 10 + static_cast<unsigned>(text_[at_++] - '0');
    if (at_ == start || value > 255) return std::nullopt;
    return value;
  }
  // "n" or "n..m".
  bool range(std::bitset<256>& set) {
    const std::optional<unsigned> first = number();
    if (!first) return false;
    std::optional<unsigned> last = first;
    if (take("..")) last = number();
    if (!last || *last < *first) return false;
    for (unsigned n = *first; n <= *last; ++n) set.set(n);
    return true;
  }
  // A range, or "[range;range]".
  bool part(std::bitset<256>& set) {
    if (!take("[")) {
      const std::optional<unsigned> one = number();
      if (one) set.set(*one);
      return one.has_value();
    }
    do {
      if (!range(set)) return false;
    } while (take(";"));
    return take("]");
  }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<AddressFilter> AddressFilter::parse(std::string_view text) {
  AddressFilter filter;
  Reader reader(text);
  for (std::size_t i = 0; i < 4; ++i) {
    const bool joined = i == 0 || reader.take(".");
    if (!joined || !reader.part(filter.bytes_[i]))
      return give_up("3.5",
                     fmt::format("bad address filter \"{}\" at \"{}\": expected "
                                 "four numbers or sets such as [2..11;13]",
                                 text, reader.rest()));
  }
  if (!reader.at_end())
    return give_up("3.5", fmt::format("bad address filter \"{}\": \"{}\" is "
                                      "too much", text, reader.rest()));
  return filter;
}

bool AddressFilter::matches(std::string_view address) const {
  Reader reader(address);
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && !reader.take(".")) return false;
    const std::optional<unsigned> byte = reader.number();
    if (!byte || !bytes_[i].test(*byte)) return false;
  }
  return reader.at_end();
}

}  // namespace postern::access
