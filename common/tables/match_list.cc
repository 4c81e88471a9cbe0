#include "common/tables/match_list.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/tables/source.h"

namespace postern::tables {
namespace {

// Files that name files that name files …
constexpr int deepest_file = 20;

constexpr std::string_view v4_characters = "0123456789.";
constexpr std::string_view v4_network_characters = "0123456789./";

bool only(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

bool domain_matches(std::string_view name, std::string_view pattern,
                    bool parents) {
  if (name == pattern) return true;
  if (name.size() <= pattern.size() || !name.ends_with(pattern)) return false;
  if (parents) return name[name.size() - pattern.size() - 1] == '.';
  return pattern.starts_with('.');
}

}  // namespace

MatchList MatchList::parse(std::string_view text, MatchOptions options) {
  MatchList list;
  list.options_ = std::move(options);
  list.add(text, false, 0);
  list.tables_.resize(list.patterns_.size());
  return list;
}

void MatchList::add_broken(std::string_view word, std::string problem) {
  if (!options_.title.empty()) problem = options_.title + ": " + problem;
  if (options_.tables.warn) options_.tables.warn(problem);
  Pattern pattern;
  pattern.type = Pattern::Type::broken;
  pattern.text = word;
  pattern.problem = std::move(problem);
  patterns_.push_back(std::move(pattern));
}

void MatchList::add(std::string_view text, bool negated, int depth) {
  const auto words = split_braced(text);
  if (!words) {
    add_broken(text, "missing '}' in \"" + printable_utf8(text) + "\"");
    return;
  }
  for (const std::string& word : *words) add_one(word, negated, depth);
}

void MatchList::add_file(const std::string& path, bool negated, int depth) {
  if (depth >= deepest_file) {
    add_broken(path, path + ": too many files that name files");
    return;
  }
  Result<std::string> text = os::read_file(path);
  if (!text) {
    add_broken(path, text.trouble().text);
    return;
  }
  LogicalLines lines(*text);
  while (auto line = lines.next()) add(*line, negated, depth + 1);
}

void MatchList::add_one(std::string_view word, bool negated, int depth) {
  const std::string_view written = word;
  while (!word.empty() && word.front() == '!') {
    negated = !negated;
    word.remove_prefix(1);
  }
  if (word.empty()) {
    add_broken(written, "no pattern after '!'");
    return;
  }
  if (word.front() == '/') {
    add_file(std::string(word), negated, depth);
    return;
  }
  Pattern pattern;
  pattern.negated = negated;
  pattern.text = mail::fold_key(word);
  const bool addresses = options_.kind == MatchOptions::Kind::addresses;
  if (word.front() != '[' && word.find(':') != std::string_view::npos) {
    pattern.type = Pattern::Type::table;
    pattern.text = word;
    if (Result<Spec> spec = parse_spec(word); !spec) {
      const std::string_view address = word.substr(0, word.find('/'));
      if (addresses && parse_address(address))
        add_broken(written, "\"" + std::string(word) +
                                "\": write an IPv6 address inside []");
      else
        add_broken(written, spec.trouble().text);
      return;
    }
  } else if (addresses &&
             (word.front() == '[' || only(word, v4_network_characters))) {
    Result<Network> network = parse_network(word);
    if (network) {
      pattern.type = Pattern::Type::network;
      pattern.network = *network;
    } else if (!only(word, v4_characters)) {
      add_broken(written, network.trouble().text);
      return;
    }
    // "10.0.0" is the name of a host, perhaps.
  }
  patterns_.push_back(std::move(pattern));
}

void MatchList::open_tables(bool only_memory) {
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    if (patterns_[i].type != Pattern::Type::table || tables_[i]) continue;
    if (only_memory && !in_memory(patterns_[i].text)) continue;
    tables_[i] = open_or_unavailable(patterns_[i].text, options_.tables);
  }
}

std::vector<std::string> MatchList::problems() const {
  std::vector<std::string> all;
  for (const Pattern& pattern : patterns_)
    if (pattern.type == Pattern::Type::broken) all.push_back(pattern.problem);
  return all;
}

Result<bool> MatchList::matches(std::string_view name,
                                std::string_view address) {
  Walk walk(*this, name, address);
  auto next = walk.next();
  if (!next) return next.trouble();
  if (*next)
    return try_later("3.0", (*next)->table + ": this table is not open here");
  return walk.matched();
}

MatchList::Walk::Walk(MatchList& list, std::string_view name,
                      std::string_view address)
    : list_(list),
      name_(mail::fold_key(name)),
      address_(mail::fold_key(address)),
      parsed_(parse_address(address)) {}

bool MatchList::Walk::simple_match(const Pattern& pattern) const {
  switch (list_.options_.kind) {
    case MatchOptions::Kind::strings:
      return pattern.text == name_;
    case MatchOptions::Kind::domains:
      return domain_matches(name_, pattern.text, list_.options_.parents);
    case MatchOptions::Kind::addresses:
      break;
  }
  if (!name_.empty() &&
      domain_matches(name_, pattern.text, list_.options_.parents))
    return true;
  return pattern.type == Pattern::Type::network && parsed_ &&
         pattern.network.contains(*parsed_);
}

// The keys to ask a table for, in order, kept in reverse.
void MatchList::Walk::start_table(const Pattern& pattern) {
  keys_.clear();
  in_table_ = true;
  if (!name_.empty()) keys_.push_back(name_);
  if (list_.options_.kind != MatchOptions::Kind::strings &&
      fixed_keys(pattern.text)) {
    for (std::size_t dot = name_.find('.', 1); dot < name_.size();
         dot = name_.find('.', dot + 1)) {
      const std::string parent =
          name_.substr(dot + (list_.options_.parents ? 1 : 0));
      if (!parent.empty()) keys_.push_back(parent);
    }
  }
  if (list_.options_.kind == MatchOptions::Kind::addresses && !address_.empty())
    keys_.push_back(address_);
  std::reverse(keys_.begin(), keys_.end());
}

void MatchList::Walk::decide(const Pattern& pattern) {
  over_ = true;
  matched_ = !pattern.negated;
}

Result<std::optional<MatchList::Walk::Question>> MatchList::Walk::next() {
  while (!over_ && at_ < list_.patterns_.size()) {
    const Pattern& pattern = list_.patterns_[at_];
    if (pattern.type == Pattern::Type::broken)
      return try_later("3.5", pattern.problem);
    if (pattern.type != Pattern::Type::table) {
      if (simple_match(pattern)) decide(pattern);
      ++at_;
      continue;
    }
    if (!in_table_) start_table(pattern);
    if (keys_.empty()) {
      in_table_ = false;
      ++at_;
      continue;
    }
    std::string key = std::move(keys_.back());
    keys_.pop_back();
    Table* table = list_.tables_[at_].get();
    if (table == nullptr)
      return std::optional<Question>({pattern.text, std::move(key)});
    Found found = table->find(key);
    if (!found)
      return try_later(
          "3.0", (list_.options_.title.empty() ? std::string()
                                               : list_.options_.title + ": ") +
                     pattern.text +
                     ": table lookup problem: " + found.trouble().text);
    if (*found) decide(pattern);
  }
  over_ = true;
  return std::optional<Question>();
}

void MatchList::Walk::answer(bool found) {
  if (found) decide(list_.patterns_[at_]);
}

}  // namespace postern::tables
