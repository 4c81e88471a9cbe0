#include "tools/postconf_edit.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>

#include "common/base/text.h"
#include "common/config/main_file.h"
#include "common/config/master_table.h"
#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::postconf {
namespace {

// One file on its way to new content. Other editors wait at the lock of the
// temporary file beside it.
class Rewrite {
 public:
  Rewrite(const Tool& tool, const std::string& file) : tool_(tool) {
    // A link stays a link: what it points to is replaced.
    std::unique_ptr<char, decltype(&std::free)> real(
        ::realpath(file.c_str(), nullptr), &std::free);
    path_ = real ? real.get() : file;
    if (::stat(path_.c_str(), &status_) != 0)
      tool.fatal(fmt::format("open {} for reading: {}", file,
                             os::error_text(errno)));
    temporary_ = path_ + ".tmp";
    lock();
    Result<std::string> content = os::read_file(path_);
    if (!content) tool.fatal(content.trouble().text);
    content_ = std::move(*content);
  }
  Rewrite(const Rewrite&) = delete;
  Rewrite& operator=(const Rewrite&) = delete;

  const std::string& content() const { return content_; }

  void commit(std::string_view content) {
    check(::ftruncate(fd_.get(), 0), "truncate");
    Status written = os::write_all(fd_.get(), content, "write " + temporary_);
    if (!written) abandon(written.trouble().text);
    if (::fchown(fd_.get(), status_.st_uid, status_.st_gid) != 0 &&
        ::geteuid() == 0)
      check(-1, "set owner of");
    check(::fchmod(fd_.get(), status_.st_mode & 07777), "set mode of");
    check(::fsync(fd_.get()), "sync");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
      abandon(fmt::format("rename {} to {}: {}", temporary_, path_,
                          os::error_text(errno)));
  }

 private:
  void check(int result, const char* verb) {
    if (result != 0)
      abandon(fmt::format("{} {}: {}", verb, temporary_,
                          os::error_text(errno)));
  }
  [[noreturn]] void abandon(const std::string& text) {
    ::unlink(temporary_.c_str());
    tool_.fatal(text);
  }

  // The one who locks the file that has the name, not one that was renamed
  // away meanwhile.
  void lock() {
    for (;;) {
      Result<Fd> opened = os::open_file(temporary_, O_RDWR | O_CREAT, 0600);
      if (!opened) tool_.fatal(opened.trouble().text);
      fd_ = std::move(*opened);
      if (::flock(fd_.get(), LOCK_EX) != 0)
        tool_.fatal(fmt::format("lock {}: {}", temporary_,
                                os::error_text(errno)));
      struct stat held{}, named{};
      if (::fstat(fd_.get(), &held) == 0 &&
          ::stat(temporary_.c_str(), &named) == 0 &&
          held.st_ino == named.st_ino && held.st_dev == named.st_dev)
        return;
    }
  }

  const Tool& tool_;
  std::string path_;
  std::string temporary_;
  struct stat status_{};
  Fd fd_;
  std::string content_;
};

void require_one_line(const Tool& tool, const std::string& argument,
                      bool main) {
  if (argument.find('\n') != std::string::npos)
    tool.fatal(main ? "-e, -X, or -# accepts no multi-line input"
                    : "-Me, -Fe, -Pe, -X, or -# accept no multi-line input");
  if (trim_left(argument).starts_with('#'))
    tool.fatal(main ? "-e, -X, or -# accepts no comment input"
                    : "-Me, -Fe, -Pe, -X, or -# accept no comment input");
}

config::NameValue assignment(const Tool& tool, const std::string& argument) {
  auto pair = config::parse_assignment(argument);
  if (!pair) tool.fatal(pair.trouble().text);
  return std::move(*pair);
}

std::string first_word(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && !is_space(line[end]) && line[end] != '=') ++end;
  return std::string(line.substr(0, end));
}

// A request to change entries of the service table.
struct MasterEdit {
  Pattern pattern;
  std::string argument;
  std::string value;
  bool matched = false;
};

// Calls `edit` for each entry that a request fits, writes what became of it.
// `edit` returns the block's new text.
using EditEntry =
    std::function<std::string(MasterEdit&, Entry&, const Block&)>;

std::string apply(std::vector<MasterEdit>& edits, const Block& block,
                  const EditEntry& edit) {
  Result<Entry> entry = parse_entry(block.logical);
  if (!entry) {
    // Also a broken entry can be taken out by its name and type.
    std::vector<std::string> words = split_words(block.logical, " \t");
    words.resize(field_names.size());
    entry = Entry{words, {}};
  }
  std::string text = unchanged(block);
  for (MasterEdit& one : edits)
    if (one.pattern.fits(*entry)) text = edit(one, *entry, block);
  return text;
}

std::string rendered(const Block& block, const Entry& entry) {
  return with_replaced(block, entry_text(true, entry.fields, entry.arguments));
}

// Before anything is locked, so that nothing is left behind.
void require_sound_table(const Tool& tool, const std::string& file) {
  Result<std::string> content = os::read_file(file);
  if (content) read_entries(tool, *content, file);
}

// `whole`: entries are taken apart, so all of them must be well-formed.
void edit_table(const Tool& tool, const std::string& file,
                std::vector<MasterEdit>& edits, bool whole,
                const EditEntry& edit) {
  if (whole) require_sound_table(tool, file);
  Rewrite rewrite(tool, file);
  std::string out;
  for (const Block& block : blocks_of(rewrite.content()))
    out += block.logical.empty() ? unchanged(block)
                                 : apply(edits, block, edit);
  for (const MasterEdit& one : edits)
    if (!one.matched)
      tool.warning(fmt::format("unmatched service_name/type: \"{}\"",
                               one.argument));
  rewrite.commit(out);
}

void set_entries(const Tool& tool, const std::string& file,
                 const std::vector<std::string>& arguments) {
  std::vector<MasterEdit> edits;
  std::vector<Entry> entries;
  for (const std::string& argument : arguments) {
    require_one_line(tool, argument, false);
    config::NameValue pair = assignment(tool, argument);
    Pattern pattern = parse_pattern(pair.name);
    if (pattern.parts.size() != 2)
      tool.fatal("-Me, -MX or -M# requires service_name/type");
    Result<Entry> entry = parse_entry(pair.value);
    if (!entry && entry.trouble().text == "bad field count")
      tool.fatal(fmt::format("bad field count: \"{}\"", argument));
    if (!entry) tool.fatal(entry.trouble().text);
    edits.push_back({pattern, argument, pair.value, false});
    entries.push_back(std::move(*entry));
  }
  Rewrite rewrite(tool, file);
  std::string out;
  for (const Block& block : blocks_of(rewrite.content())) {
    std::string text = unchanged(block);
    Result<Entry> old = parse_entry(block.logical);
    for (std::size_t i = 0; old && i < edits.size(); ++i) {
      if (!edits[i].pattern.fits(*old)) continue;
      // Of several that fit, the first is replaced and the others go.
      text = edits[i].matched ? with_replaced(block, "")
                              : rendered(block, entries[i]);
      edits[i].matched = true;
    }
    out += text;
  }
  for (std::size_t i = 0; i < edits.size(); ++i)
    if (!edits[i].matched)
      out += entry_text(true, entries[i].fields, entries[i].arguments);
  rewrite.commit(out);
}

}  // namespace

std::vector<Block> blocks_of(std::string_view content) {
  std::vector<Block> blocks;
  int number = 0;
  while (!content.empty()) {
    ++number;
    std::size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size()
                                                        : end + 1);
    std::string_view visible = trim(line);
    bool comment = visible.empty() || visible.front() == '#';
    bool continues = !comment && is_space(line.front());
    bool stray = continues && (blocks.empty() || blocks.back().logical.empty());
    if (stray) comment = true;  // continues nothing: left alone
    if (blocks.empty() || (!comment && !continues)) {
      blocks.push_back({});
      blocks.back().number = number;
    }
    blocks.back().lines.push_back({std::string(line), comment});
    if (!comment) blocks.back().logical += trim_right(line);
  }
  return blocks;
}

std::string unchanged(const Block& block) {
  std::string text;
  for (const Block::Line& line : block.lines) text += line.text + "\n";
  return text;
}

std::string with_replaced(const Block& block, std::string_view text) {
  std::string out;
  bool replaced = false;
  for (const Block::Line& line : block.lines) {
    if (line.comment) {
      out += line.text + "\n";
    } else if (!replaced) {
      out += text;
      replaced = true;
    }
  }
  return out;
}

std::string commented_out(const Block& block) {
  std::string out;
  for (const Block::Line& line : block.lines)
    out += (line.comment ? "" : "#") + line.text + "\n";
  return out;
}

void edit_main(const Tool& tool, const std::string& file, EditVerb verb,
               const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> wanted;
  std::map<std::string, int> found;
  std::vector<std::string> order;
  for (const std::string& argument : arguments) {
    require_one_line(tool, argument, true);
    config::NameValue pair{argument, ""};
    if (verb == EditVerb::set)
      pair = assignment(tool, argument);
    else if (argument.find('=') != std::string::npos)
      tool.fatal(verb == EditVerb::remove ? "-X requires names without value"
                                          : "-# requires names without value");
    auto old = wanted.find(pair.name);
    if (old != wanted.end() && verb == EditVerb::set)
      tool.warning(fmt::format("ignoring earlier request: '{} = {}'",
                               pair.name, old->second));
    if (old == wanted.end()) order.push_back(pair.name);
    wanted[pair.name] = pair.value;
  }
  Rewrite rewrite(tool, file);
  std::string out;
  for (const Block& block : blocks_of(rewrite.content())) {
    auto request = wanted.find(first_word(block.logical));
    if (block.logical.empty() || request == wanted.end()) {
      out += unchanged(block);
      continue;
    }
    if (++found[request->first] == 2)
      tool.warning(fmt::format("{}: multiple entries for \"{}\"", file,
                               request->first));
    out += verb == EditVerb::comment_out ? commented_out(block)
           : verb == EditVerb::remove
               ? with_replaced(block, "")
               : with_replaced(block, fmt::format("{} = {}\n", request->first,
                                                  request->second));
  }
  for (const std::string& name : order)
    if (verb == EditVerb::set && !found.contains(name))
      out += fmt::format("{} = {}\n", name, wanted[name]);
  rewrite.commit(out);
}

void edit_entries(const Tool& tool, const std::string& file, EditVerb verb,
                  const std::vector<std::string>& arguments) {
  if (verb == EditVerb::set) return set_entries(tool, file, arguments);
  std::vector<MasterEdit> edits;
  for (const std::string& argument : arguments) {
    require_one_line(tool, argument, false);
    Pattern pattern = parse_pattern(argument);
    if (pattern.parts.size() != 2)
      tool.fatal("-Me, -MX or -M# requires service_name/type");
    // Nothing to take out is what was wanted, so that is no warning.
    edits.push_back({pattern, argument, "", true});
  }
  edit_table(tool, file, edits, false,
             [verb](MasterEdit&, Entry&, const Block& block) {
               return verb == EditVerb::remove ? with_replaced(block, "")
                                               : commented_out(block);
             });
}

void edit_fields(const Tool& tool, const std::string& file,
                 const std::vector<std::string>& arguments) {
  std::vector<MasterEdit> edits;
  for (const std::string& argument : arguments) {
    require_one_line(tool, argument, false);
    config::NameValue pair = assignment(tool, argument);
    Pattern pattern = parse_pattern(pair.name);
    if (pattern.parts.size() != 3)
      tool.fatal("-Fe or -FX requires service_name/type/field_name");
    auto field = std::find(field_names.begin(), field_names.end(),
                           pattern.parts[2]);
    if (field == field_names.end())
      tool.fatal(fmt::format("invalid service attribute name: \"{}\"",
                             pattern.parts[2]));
    auto position = static_cast<std::size_t>(field - field_names.begin());
    if (position != 7 && split_words(pair.value, " \t").size() > 1)
      tool.fatal("-Fe does not accept whitespace in non-command field");
    Status status = check_field(position, pair.value, pair.value);
    if (!status) tool.fatal(status.trouble().text);
    edits.push_back({pattern, argument, pair.value, false});
  }
  auto edit = [](MasterEdit& one, Entry& entry, const Block& block) {
    one.matched = true;
    if (one.pattern.parts[2] == "command") {
      std::vector<std::string> words;
      for (config::Word& word : config::master_words(one.value))
        words.push_back(std::move(word.text));
      entry.fields[7] = words.front();
      words.erase(words.begin());
      entry.arguments = normal_arguments(std::move(words));
    } else {
      auto field = std::find(field_names.begin(), field_names.end(),
                             one.pattern.parts[2]);
      entry.fields[static_cast<std::size_t>(field - field_names.begin())] =
          one.value;
    }
    return rendered(block, entry);
  };
  edit_table(tool, file, edits, true, edit);
}

void edit_parameters(const Tool& tool, const std::string& file,
                     EditVerb verb,
                     const std::vector<std::string>& arguments) {
  std::vector<MasterEdit> edits;
  for (const std::string& argument : arguments) {
    require_one_line(tool, argument, false);
    config::NameValue pair{argument, ""};
    if (verb == EditVerb::set) pair = assignment(tool, argument);
    Pattern pattern = parse_pattern(pair.name);
    if (pattern.parts.size() != 3)
      tool.fatal("-Pe or -PX requires service_name/type/parameter_name");
    if (pattern.parts[2] == "*")
      tool.fatal("-Pe does not accept wild-card parameter name");
    edits.push_back({pattern, argument, pair.value, false});
  }
  auto edit = [verb](MasterEdit& one, Entry& entry, const Block& block) {
    one.matched = true;
    std::vector<std::string>& words = entry.arguments;
    std::vector<Option> options = options_of(words);
    bool set = false;
    for (auto option = options.rbegin(); option != options.rend(); ++option) {
      if (one.pattern.parts[2] != option->name) continue;
      auto at = words.begin() + static_cast<std::ptrdiff_t>(option->at);
      if (verb == EditVerb::set && !set) {
        at[1] = option_word(option->name, one.value);
        set = true;
      } else {
        words.erase(at, at + 2);
      }
    }
    if (verb == EditVerb::set && !set) {
      // Behind the last option, before other arguments.
      std::size_t end =
          options.empty() ? 0 : options_of(words).back().at + 2;
      auto at = words.begin() + static_cast<std::ptrdiff_t>(end);
      words.insert(at,
                   {"-o", option_word(one.pattern.parts[2], one.value)});
    }
    return rendered(block, entry);
  };
  edit_table(tool, file, edits, true, edit);
}

}  // namespace postern::postconf
