// Tables whose content is text read once: texthash:, inline:, static:, fail:,
// randmap:. DATABASE_README describes them.
#include <random>
#include <unordered_map>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/tables/braces.h"
#include "common/tables/openers.h"
#include "common/tables/source.h"

namespace postern::tables {
namespace {

Trouble need(const Spec& spec, std::string_view why, std::string_view form) {
  return try_later("3.5", std::string(why) + ": \"" + spec.text() +
                              "\"; need \"" + spec.type + ":" +
                              std::string(form) + "\"");
}

class Dictionary : public Table {
 public:
  using Table::Table;

  // False when the key is there already; then nothing is changed.
  bool add(std::string key, std::string value) {
    const auto [at, is_new] = index_.try_emplace(key, entries_.size());
    if (is_new) entries_.push_back({std::move(key), std::move(value)});
    return is_new;
  }
  void set(std::string key, std::string value) {
    const auto [at, is_new] = index_.try_emplace(key, entries_.size());
    if (is_new)
      entries_.push_back({std::move(key), std::move(value)});
    else
      entries_[at->second].value = std::move(value);
  }

  Status for_each(const Visit& visit) override {
    for (const Entry& entry : entries_) visit(entry.key, entry.value);
    return {};
  }

 protected:
  Found look_up(std::string_view key) override {
    const auto at = index_.find(std::string(key));
    if (at == index_.end()) return std::optional<std::string>();
    return std::optional(entries_[at->second].value);
  }

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<Entry> entries_;
};

class Constant : public Table {
 public:
  Constant(std::string name, std::string value)
      : Table(std::move(name)), value_(std::move(value)) {}

 protected:
  Found look_up(std::string_view) override { return std::optional(value_); }

 private:
  std::string value_;
};

class Fail : public Table {
 public:
  using Table::Table;

 protected:
  Found look_up(std::string_view) override {
    return try_later("3.0",
                     "table " + name() + ": query error: Application error");
  }
};

class Choice : public Table {
 public:
  Choice(std::string name, std::vector<std::string> values)
      : Table(std::move(name)), values_(std::move(values)) {}

 protected:
  Found look_up(std::string_view) override {
    return std::optional(values_[std::uniform_int_distribution<std::size_t>(
        0, values_.size() - 1)(random_)]);
  }

 private:
  std::vector<std::string> values_;
  std::minstd_rand random_{std::random_device{}()};
};

bool ignored(std::string_view complaint) {
  return complaint.ends_with("ignoring this line");
}

// The value itself, or with -F the files that it names.
Result<std::string> value_of(std::string value, const OpenOptions& options) {
  if (!options.values_are_files) return value;
  Result<std::string> content = content_of_files(value);
  if (!content) return content.trouble();
  return base64_encode(*content);
}

}  // namespace

Opened open_texthash(const Spec& spec, const OpenOptions& options) {
  Result<std::string> text = os::read_file(spec.name);
  if (!text) {
    std::string why = text.trouble().text;
    if (why.starts_with("open ")) why.replace(0, 5, "open database ");
    return try_later("3.0", why);
  }
  auto table = std::make_unique<Dictionary>(spec.text());
  const auto complain = [&](int line, std::string_view what) {
    if (options.warn)
      options.warn(spec.name + ", line " + std::to_string(line) + ": " +
                   std::string(what));
  };
  LogicalLines lines(*text);
  while (auto line = lines.next()) {
    if (options.utf8 && !valid_utf8(*line)) {
      complain(lines.first_line(), "non-UTF-8 input \"" + printable(*line) +
                                       "\" -- ignoring this line");
      continue;
    }
    SourceLine parsed = parse_entry(*line);
    if (!parsed.complaint.empty())
      complain(lines.first_line(),
               parsed.complaint + (parsed.entry || ignored(parsed.complaint)
                                       ? ""
                                       : " -- ignoring this line"));
    if (!parsed.entry) continue;
    std::string key = options.fold ? mail::fold_key(parsed.entry->key)
                                   : std::move(parsed.entry->key);
    Result<std::string> value =
        value_of(std::move(parsed.entry->value), options);
    if (!value) {
      complain(lines.first_line(),
               value.trouble().text + ": skipping this entry");
      continue;
    }
    if (!table->add(key, std::move(*value)))
      complain(lines.first_line(), "duplicate entry: \"" + key + "\"");
  }
  return Opened(std::move(table));
}

Opened open_inline(const Spec& spec, const OpenOptions& options) {
  constexpr std::string_view form = "{name=value...}";
  const auto pieces = braced_list(spec.name);
  if (!pieces) return need(spec, "bad syntax", form);
  auto table = std::make_unique<Dictionary>(spec.text());
  for (const std::string& piece : *pieces) {
    std::string pair = piece;
    if (pair.front() == '{') {
      Result<std::string> inner = unbrace(pair);
      if (!inner) return need(spec, inner.trouble().text, form);
      pair = std::move(*inner);
    }
    auto parsed = split_name_value(pair);
    if (!parsed) return need(spec, parsed.trouble().text, form);
    Result<std::string> value = value_of(std::move(parsed->second), options);
    if (!value) return value.trouble();
    // The last of several entries counts.
    table->set(options.fold ? mail::fold_key(parsed->first) : parsed->first,
               std::move(*value));
  }
  return Opened(std::move(table));
}

Opened open_static(const Spec& spec, const OpenOptions& options) {
  std::string text = spec.name;
  if (text.front() == '{') {
    Result<std::string> inner = unbrace(text);
    if (!inner)
      return try_later("3.5",
                       "bad static:name syntax: " + inner.trouble().text);
    text = std::move(*inner);
  }
  Result<std::string> value = value_of(std::move(text), options);
  if (!value) return value.trouble();
  return Opened(std::make_unique<Constant>(spec.text(), std::move(*value)));
}

Opened open_fail(const Spec& spec, const OpenOptions&) {
  return Opened(std::make_unique<Fail>(spec.text()));
}

Opened open_randmap(const Spec& spec, const OpenOptions& options) {
  const auto pieces = braced_list(spec.name);
  if (!pieces) return need(spec, "bad syntax", "{value...}");
  std::vector<std::string> values;
  for (const std::string& piece : *pieces) {
    Result<std::string> value = value_of(piece, options);
    if (!value) return value.trouble();
    values.push_back(std::move(*value));
  }
  return Opened(std::make_unique<Choice>(spec.text(), std::move(values)));
}

}  // namespace postern::tables
