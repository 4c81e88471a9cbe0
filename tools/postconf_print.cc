#include "tools/postconf_print.h"

#include "common/base/text.h"

namespace postern::postconf {
namespace {

constexpr std::size_t widest = 80;
constexpr std::string_view indent = "    ";
constexpr std::size_t columns[] = {0, 11, 17, 25, 33, 41, 49, 57};

// Joins words by a space, or by a new indented line where the next would not
// fit.
class Folder {
 public:
  explicit Folder(bool fold) : fold_(fold) {}

  void word(std::string_view text) {
    if (!out_.empty()) {
      if (fold_ && column_ + 1 + text.size() > widest) line();
      else exactly(" ");
    }
    exactly(text);
  }
  // Goes on in a new line.
  void line() {
    out_.append("\n").append(indent);
    column_ = indent.size();
  }
  // Text with the spaces that it brings along.
  void exactly(std::string_view text) {
    out_ += text;
    column_ += text.size();
  }
  // Spaces up to a column, at least one.
  void pad_to(std::size_t column) {
    do exactly(" ");
    while (column_ < column);
  }
  // A word right at the start of a new line.
  void word_on_new_line(std::string_view text) {
    line();
    exactly(text);
  }
  std::string end() { return std::move(out_) + "\n"; }

 private:
  bool fold_;
  std::string out_;
  std::size_t column_ = 0;
};

}  // namespace

std::string setting_text(const Style& style, std::string_view name,
                         std::string_view value) {
  if (style.hide_values) return std::string(name) + "\n";
  Folder folder(style.fold);
  if (!style.hide_names) {
    folder.exactly(name);
    folder.exactly(" =");
  }
  for (const std::string& word : split_words(value, " \t\r\n\v\f"))
    folder.word(word);
  return folder.end();
}

std::string entry_text(bool fold, const std::vector<std::string>& fields,
                       const std::vector<std::string>& arguments) {
  Folder folder(fold);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) folder.pad_to(columns[i]);
    folder.exactly(fields[i]);
  }
  bool after_option = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    bool option = arguments[i] == "-o" && i + 1 < arguments.size();
    if (fold && (option || after_option))
      folder.word_on_new_line(arguments[i]);
    else
      folder.word(arguments[i]);
    if (option) {
      folder.exactly(" ");
      folder.exactly(arguments[++i]);
    }
    after_option = option;
  }
  return folder.end();
}

}  // namespace postern::postconf
