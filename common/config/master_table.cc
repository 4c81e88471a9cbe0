#include "common/config/master_table.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/config/lines.h"
#include "common/os/files.h"

namespace postern::config {
namespace {

constexpr std::size_t field_count = 8;
constexpr std::string_view types[] = {"inet", "unix", "fifo", "pass",
                                      "unix-dgram"};

// Reads one logical line; the first thing wrong with it stays in `problem`.
class RowReader {
 public:
  RowReader(const LogicalLine& line, const std::string& file)
      : line_(line), words_(master_words(line.text)) {
    row_.origin = {file, line.first};
  }

  bool read() {
    if (words_.size() < field_count)
      return fail(words_.size(), "bad field count");
    row_.name = words_[0].text;
    row_.type = words_[1].text;
    if (std::find(std::begin(types), std::end(types), row_.type) ==
        std::end(types))
      return fail(1, "bad transport type: " + row_.type);
    if (row_.type == "inet" && !read_endpoint()) return false;
    return read_flag(2, "private", row_.private_, true) &&
           read_flag(3, "unprivileged", row_.unprivileged, true) &&
           read_flag(4, "chroot", row_.chroot, false) && read_wakeup() &&
           read_maxproc() && read_program() && read_arguments();
  }

  ServiceRow& row() { return row_; }
  const TableProblem& problem() const { return problem_; }

 private:
  bool fail(std::size_t word, std::string text) {
    int column = word < words_.size()
                     ? words_[word].column
                     : static_cast<int>(line_.text.size()) + 1;
    problem_ = {line_.first, column, std::move(text), line_.text};
    return false;
  }
  bool bad_field(std::size_t word, const char* what) {
    return fail(word, fmt::format("invalid {} field \"{}\"", what,
                                  words_[word].text));
  }

  // "host:port", "[v6]:port", ":port" or "port".
  bool read_endpoint() {
    std::string_view name = row_.name;
    std::size_t colon = name.rfind(':');
    if (name.starts_with('[')) {
      std::size_t end = name.find(']');
      if (end == std::string_view::npos || colon != end + 1)
        return fail(0, "bad hostname or network address: " + row_.name);
      row_.host = name.substr(1, end - 1);
    } else if (colon != std::string_view::npos) {
      row_.host = name.substr(0, colon);
    }
    row_.port =
        colon == std::string_view::npos ? name : name.substr(colon + 1);
    if (row_.port.empty())
      return fail(0, "missing service port: " + row_.name);
    return true;
  }

  bool read_flag(std::size_t word, const char* what, bool& flag,
                 bool initial) {
    const std::string& text = words_[word].text;
    if (text == "y") flag = true;
    else if (text == "n") flag = false;
    else if (text == "-") flag = initial;
    else return bad_field(word, what);
    return true;
  }

  bool read_wakeup() {
    std::string_view text = words_[5].text;
    if (text == "-") return true;
    if (text.ends_with('?')) {
      row_.wakeup_if_used = true;
      text.remove_suffix(1);
    }
    auto number = parse_number(text);
    if (!number || *number < 0 || *number > 100'000'000)
      return bad_field(5, "wakeup");
    row_.wakeup = std::chrono::seconds(*number);
    return true;
  }

  bool read_maxproc() {
    if (words_[6].text == "-") return true;
    auto number = parse_number(words_[6].text);
    if (!number || *number < 0 || *number > 1'000'000)
      return bad_field(6, "maxproc");
    row_.maxproc = static_cast<int>(*number);
    return true;
  }

  bool read_program() {
    row_.program = words_[7].text;
    if (row_.program.starts_with('-') || row_.program.starts_with('{'))
      return bad_field(7, "command");
    return true;
  }

  bool read_arguments() {
    for (std::size_t i = field_count; i < words_.size(); ++i) {
      const std::string& word = words_[i].text;
      if (!words_[i].closed)
        return fail(i, fmt::format("missing '}}' in \"{}\"", word));
      if (options_over_ || !read_option(i)) {
        if (problem_.line) return false;
        // As with getopt(3): the first word that is no option ends them.
        options_over_ = !word.starts_with('-') || word == "--";
        row_.args.push_back(unbraced(word));
      }
    }
    return true;
  }

  // `i` moves on when the option's argument is a word of its own. False with
  // no problem set: the word is not an option that this table knows.
  bool read_option(std::size_t& i) {
    const std::string& word = words_[i].text;
    if (word == "-D") return row_.debug = true;
    if (word.size() > 1 && word[0] == '-' &&
        word.find_first_not_of('v', 1) == std::string::npos) {
      row_.verbose += static_cast<int>(word.size()) - 1;
      return true;
    }
    if (!word.starts_with("-o")) return false;
    std::size_t at = i;
    std::string argument = word.substr(2);
    if (argument.empty()) {
      if (i + 1 >= words_.size())
        return fail(i, "option -o has no name=value");
      at = ++i;
      if (!words_[i].closed)
        return fail(i, fmt::format("missing '}}' in \"{}\"", words_[i].text));
      argument = words_[i].text;
    }
    Result<NameValue> pair = parse_override(argument);
    if (!pair) return fail(at, pair.trouble().text);
    row_.overrides.emplace_back(std::move(pair->name), std::move(pair->value));
    return true;
  }

  const LogicalLine& line_;
  std::vector<Word> words_;
  ServiceRow row_;
  TableProblem problem_;
  bool options_over_ = false;
};

}  // namespace

std::vector<Word> master_words(std::string_view line) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < line.size();) {
    if (is_space(line[i])) {
      ++i;
      continue;
    }
    std::size_t start = i;
    int level = 0;
    for (; i < line.size() && (level > 0 || !is_space(line[i])); ++i) {
      // Braces hold a word together where they begin it (or an option's
      // attached argument); elsewhere they are text.
      bool opens = line[i] == '{' &&
                   (level > 0 || i == start ||
                    (i == start + 2 && line.substr(start, 2) == "-o"));
      if (opens) ++level;
      else if (line[i] == '}' && level > 0) --level;
    }
    words.push_back({std::string(line.substr(start, i - start)),
                     static_cast<int>(start) + 1, level == 0});
  }
  return words;
}

std::string unbraced(std::string_view word) {
  if (word.size() >= 2 && word.front() == '{' && word.back() == '}')
    word = trim(word.substr(1, word.size() - 2));
  return std::string(word);
}

Result<NameValue> parse_override(std::string_view argument) {
  return parse_assignment(unbraced(argument));
}

MasterTable MasterTable::read(std::string_view content,
                              const std::string& file,
                              std::vector<TableProblem>& problems) {
  MasterTable table;
  table.file_ = file;
  for (const LogicalLine& line : logical_lines(content)) {
    if (line.stray) {
      problems.push_back({line.first, 1,
                          "logical line must not start with whitespace",
                          line.text});
      continue;
    }
    RowReader reader(line, file);
    if (!reader.read()) {
      problems.push_back(reader.problem());
      continue;
    }
    ServiceRow& row = reader.row();
    auto same = [&](const ServiceRow& other) {
      return other.name == row.name && other.type == row.type;
    };
    auto old = std::find_if(table.rows_.begin(), table.rows_.end(), same);
    if (old != table.rows_.end()) {
      table.warnings_.push_back(fmt::format(
          "{}: line {}: duplicate entry for service \"{}\" -- using the last "
          "entry",
          file, line.first, row.name));
      *old = std::move(row);
    } else {
      table.rows_.push_back(std::move(row));
    }
  }
  return table;
}

Result<MasterTable> MasterTable::parse(std::string_view content,
                                       const std::string& file) {
  std::vector<TableProblem> problems;
  MasterTable table = read(content, file, problems);
  if (problems.empty()) return table;
  return give_up("3.5", fmt::format("{}: line {}: {}", file,
                                    problems.front().line,
                                    problems.front().text));
}

Result<MasterTable> MasterTable::load(const std::string& directory) {
  std::string file = master_path(directory);
  Result<std::string> content = os::read_file(file);
  if (!content) return content.trouble();
  return parse(*content, file);
}

const ServiceRow* MasterTable::find(std::string_view name,
                                    std::string_view type) const {
  for (const ServiceRow& row : rows_)
    if (row.name == name && row.type == type) return &row;
  return nullptr;
}

const ServiceRow* MasterTable::find(std::string_view name) const {
  for (const ServiceRow& row : rows_)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace postern::config
