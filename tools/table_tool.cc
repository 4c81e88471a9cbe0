#include "tools/table_tool.h"

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/databases/open.h"
#include "common/log/log.h"
#include "common/mail/address.h"
#include "common/os/files.h"
#include "common/service/tool.h"
#include "common/tables/alias_file.h"
#include "common/tables/build.h"
#include "common/tables/maps.h"
#include "common/tables/source.h"
#include "tools/as_owner.h"
#include "tools/message_keys.h"
#include "tools/table_making.h"

namespace postern::tools {
namespace {

std::string read_standard_input() {
  std::string text;
  char buffer[65536];
  std::size_t count = 0;
  while ((count = std::fread(buffer, 1, sizeof buffer, stdin)) > 0)
    text.append(buffer, count);
  return text;
}

// One line of standard input without its end; nullopt at the end.
std::optional<std::string> read_key() {
  std::string line;
  int c = 0;
  while ((c = std::getc(stdin)) != EOF && c != '\n')
    line.push_back(static_cast<char>(c));
  if (c == EOF && line.empty()) return std::nullopt;
  return line;
}

class TableTool {
 public:
  TableTool(std::string_view argv0, bool aliases);

  // The whole program; returns its exit status.
  int run(int argc, char** argv);

 private:
  void read_options(int argc, char** argv);
  [[noreturn]] void usage();
  void check_options();

  void make(const std::string& name);
  void put_entries(const std::string& name);
  std::string stored(const std::string& key) const;
  bool remove_each(const std::string& name,
                   const std::vector<std::string>& keys);
  int query(const std::vector<std::string>& names);
  int remove(const std::vector<std::string>& names);
  void list(const std::string& name);

  tables::Spec spec_of(const std::string& name);
  tables::Spec named_spec_of(const std::string& name);
  tables::OpenOptions open_options();
  std::unique_ptr<tables::Table> open(const std::string& name);
  Status approve(const tables::Spec& spec);
  std::optional<std::string> find(tables::Table& table, std::string_view key);
  std::string decoded(const tables::Table& table, std::string_view key,
                      std::string value);
  bool find_and_print(std::vector<std::unique_ptr<tables::Table>>& open,
                      std::string_view key);
  void print(std::string_view key, std::string_view value);
  void tell(const std::string& text);

  Tool tool_;
  bool aliases_;
  std::optional<config::Config> config_;
  std::optional<databases::Opener> databases_;
  tables::BuildOptions build_;
  MessageKeys message_;
  bool incremental_ = false;
  bool list_ = false;
  bool keep_rights_ = false;
  bool force_utf8_ = false;
  bool no_utf8_ = false;
  int verbose_ = 0;
  std::optional<std::string> query_;
  std::optional<std::string> remove_;
};

TableTool::TableTool(std::string_view argv0, bool aliases)
    : tool_(argv0), aliases_(aliases) {
  build_.aliases = aliases;
  build_.warn = [this](std::string_view text) { tool_.warning(text); };
}

void TableTool::usage() {
  tool_.fatal("usage: " + tool_.name() + " [-" +
              (aliases_ ? "Nfinoprsuvw" : "bfFhimnNoprsuUvw") +
              "] [-c config_dir] [-d key] [-q key] [map_type:]file...");
}

void TableTool::read_options(int argc, char** argv) {
  const char* letters =
      aliases_ ? ":Nc:d:finopq:rsuvw" : ":bc:d:fFhimnNopq:rsuUvw";
  opterr = 0;
  int option = 0;
  while ((option = getopt(argc, argv, letters)) != -1) {
    switch (option) {
      case 'b':
        message_.body = true;
        break;
      case 'h':
        message_.headers = true;
        break;
      case 'm':
        message_.mime = true;
        break;
      case 'c':
        tool_.use_directory(optarg);
        break;
      case 'd':
      case 'q':
        if (list_ || query_ || remove_)
          tool_.fatal("specify only one of -s -q or -d");
        (option == 'd' ? remove_ : query_) = optarg;
        break;
      case 's':
        if (query_ || remove_) tool_.fatal("specify only one of -s or -q or -d");
        list_ = true;
        break;
      case 'f':
        build_.fold = false;
        break;
      case 'F':
        build_.values_are_files = true;
        break;
      case 'i':
        incremental_ = true;
        break;
      case 'n':
        build_.nul = false;
        break;
      case 'N':
        build_.nul = true;
        break;
      case 'o':
        keep_rights_ = true;
        break;
      case 'p':
        build_.inherit_mode = false;
        break;
      case 'r':
        build_.duplicates = tables::Duplicates::replace;
        break;
      case 'w':
        build_.duplicates = tables::Duplicates::ignore;
        break;
      case 'u':
        no_utf8_ = true;
        break;
      case 'U':
        force_utf8_ = true;
        break;
      case 'v':
        ++verbose_;
        break;
      default:
        std::fprintf(
            stderr, "%s: %s -- '%c'\n", tool_.name().c_str(),
            option == ':' ? "option requires an argument" : "invalid option",
            optopt);
        usage();
    }
  }
}

void TableTool::check_options() {
  const bool whole_message = message_.headers || message_.body;
  if (whole_message && query_ != "-")
    tool_.fatal("specify -b -h or -m only with \"-q -\"");
  if (message_.mime && !whole_message)
    tool_.warning("ignoring -m option without -b or -h");
  build_.utf8 = config_->get<"smtputf8_enable">() && !no_utf8_ &&
                (!whole_message || force_utf8_);
  build_.lmdb_map_size =
      static_cast<std::size_t>(config_->get<"lmdb_map_size">());
}

int TableTool::run(int argc, char** argv) {
  read_options(argc, argv);
  config_.emplace(tool_.load_and_log());
  databases_.emplace(&*config_);
  check_options();
  std::vector<std::string> names(argv + optind, argv + argc);
  if (names.empty()) usage();
  if (remove_) return remove(names);
  if (query_) return query(names);
  if (list_) {
    list(names.front());
    return 0;
  }
  for (const std::string& name : names) make(name);
  return 0;
}

tables::Spec TableTool::spec_of(const std::string& name) {
  Result<tables::Spec> spec =
      tables::parse_spec(name, config_->get<"default_database_type">());
  if (!spec) tool_.fatal(spec.trouble().text);
  return *spec;
}

tables::OpenOptions TableTool::open_options() {
  tables::OpenOptions options;
  options.fold = build_.fold;
  options.utf8 = build_.utf8;
  options.values_are_files = build_.values_are_files;
  options.warn = build_.warn;
  options.other = databases_->function();
  options.approve = [this](const tables::Spec& spec) { return approve(spec); };
  return options;
}

void TableTool::tell(const std::string& text) {
  if (verbose_ == 0) return;
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s\n", tool_.name().c_str(),
               printable_utf8(text).c_str());
}

// Of a table that is to be opened: an empty variable in a script is a mistake.
tables::Spec TableTool::named_spec_of(const std::string& name) {
  tables::Spec spec = spec_of(name);
  if (spec.name.empty())
    tool_.fatal("open dictionary: expecting \"type:name\" form instead of \"" +
                spec.text() + "\"");
  return spec;
}

std::unique_ptr<tables::Table> TableTool::open(const std::string& name) {
  const tables::Spec spec = named_spec_of(name);
  auto table = tables::open(spec, open_options());
  if (!table) tool_.fatal(table.trouble().text);
  tell("opened " + (*table)->name());
  return std::move(*table);
}

// Tables behind "proxy:" are those that proxy_read_maps lists.
Status TableTool::approve(const tables::Spec& spec) {
  const auto listed =
      tables::split_table_names(config_->get<"proxy_read_maps">());
  const std::string shown = spec.text();
  const bool approved =
      listed &&
      std::any_of(listed->begin(), listed->end(), [&](const std::string& one) {
        return tables::is_proxied(one) && tables::strip_proxy(one) == shown;
      });
  if (approved) return {};
  // To the mail log alone, as the service would write it.
  const log::Destination tool_log = log::current_destination();
  log::Destination mail_log = tool_log;
  mail_log.standard_error = false;
  log::set_destination(mail_log);
  const log::Log proxymap(config_->get<"syslog_name">() + "/proxymap");
  proxymap.warning("request for unapproved table: \"" + shown + "\"");
  proxymap.warning(
      "to approve this table for read-only access, list proxy:" + shown +
      " in " + os::base_name(config_->file()) + ":proxy_read_maps");
  log::set_destination(tool_log);
  return try_later(
      "3.0", "proxymap service is not configured for table \"" + shown + "\"");
}

void TableTool::make(const std::string& name) {
  if (tables::is_proxied(name))
    tool_.fatal("can't create maps via the proxy service");
  const tables::Spec spec = spec_of(name);
  Status status;
  if (incremental_ && spec.kind == tables::Kind::memcache) {
    put_entries(name);
  } else if (incremental_) {
    const std::string entries = read_standard_input();
    const Result<AsOwner> owner =
        AsOwner::of(keep_rights_ ? std::string() : spec.name);
    if (!owner) tool_.fatal(owner.trouble().text);
    status = tables::add_entries(spec, entries, "stdin", build_);
  } else {
    status = make_table(spec, build_, keep_rights_);
  }
  if (!status.ok()) tool_.fatal(status.trouble().text);
  tell("made " + spec.text());
}

std::string TableTool::stored(const std::string& key) const {
  return build_.fold ? mail::fold_key(key) : key;
}

// -i for a table that is no file.
void TableTool::put_entries(const std::string& name) {
  const auto table = open(name);
  const std::string text = read_standard_input();
  tables::LogicalLines lines(text);
  while (const auto line = lines.next()) {
    const tables::SourceLine parsed = aliases_ ? tables::parse_alias(*line)
                                               : tables::parse_entry(*line);
    if (!parsed.complaint.empty())
      tool_.warning("stdin, line " + std::to_string(lines.first_line()) + ": " +
                    parsed.complaint);
    if (!parsed.entry) continue;
    const Status put =
        table->put(stored(parsed.entry->key), parsed.entry->value);
    if (!put.ok()) tool_.fatal(put.trouble().text);
  }
}

// -F: values are stored in base64.
std::string TableTool::decoded(const tables::Table& table, std::string_view key,
                               std::string value) {
  if (!build_.values_are_files) return value;
  if (auto bytes = base64_decode(value)) return std::move(*bytes);
  tool_.warning("table " + table.name() + ": key " + std::string(key) +
                ": malformed BASE64 value: " + value);
  tool_.fatal("table " + table.name() + ": query error");
}

std::optional<std::string> TableTool::find(tables::Table& table,
                                           std::string_view key) {
  tables::Found found = table.find(key);
  if (!found) tool_.fatal(found.trouble().text);
  tell(table.name() + (*found ? " has " : " has no ") + std::string(key));
  if (!*found) return std::nullopt;
  if ((*found)->empty()) {
    tool_.warning("table " + table.name() + ": key " + std::string(key) +
                  ": empty string result is not allowed");
    tool_.warning("table " + table.name() +
                  " should return NO RESULT in case of NOT FOUND");
  }
  return decoded(table, key, std::move(**found));
}

void TableTool::print(std::string_view key, std::string_view value) {
  std::printf("%.*s%s\t%.*s\n", static_cast<int>(key.size()), key.data(),
              aliases_ ? ":" : "", static_cast<int>(value.size()),
              value.data());
}

bool TableTool::find_and_print(
    std::vector<std::unique_ptr<tables::Table>>& open, std::string_view key) {
  for (const auto& table : open) {
    if (const auto value = find(*table, key)) {
      print(key, *value);
      return true;
    }
  }
  return false;
}

int TableTool::query(const std::vector<std::string>& names) {
  std::vector<std::unique_ptr<tables::Table>> opened;
  if (*query_ != "-") {
    // One after the other: a later table that is broken harms nobody.
    for (const std::string& name : names) {
      const auto table = open(name);
      if (const auto value = find(*table, *query_)) {
        std::printf("%s\n", value->c_str());
        return 0;
      }
    }
    return 1;
  }
  for (const std::string& name : names) opened.push_back(open(name));
  bool any = false;
  if (message_.headers || message_.body) {
    each_message_key(
        read_standard_input(), message_,
        [&](std::string_view key) { any |= find_and_print(opened, key); });
  } else {
    while (const auto key = read_key()) any |= find_and_print(opened, *key);
  }
  return any ? 0 : 1;
}

int TableTool::remove(const std::vector<std::string>& names) {
  std::vector<std::string> keys;
  if (*remove_ == "-") {
    while (auto key = read_key()) keys.push_back(std::move(*key));
  } else {
    keys.push_back(*remove_);
  }
  bool any = false;
  for (const std::string& name : names) {
    if (tables::is_proxied(name))
      tool_.fatal("can't change maps via the proxy service");
    const tables::Spec spec = named_spec_of(name);
    if (spec.kind == tables::Kind::memcache) {
      any = remove_each(name, keys) || any;
      continue;
    }
    if (!tables::file_of(spec))
      tool_.fatal("table " + spec.text() +
                  ": delete operation is not supported");
    const Result<AsOwner> owner =
        AsOwner::of(keep_rights_ ? std::string() : spec.name);
    if (!owner) tool_.fatal(owner.trouble().text);
    const Result<std::size_t> count = tables::remove_keys(spec, keys, build_);
    if (!count) tool_.fatal(count.trouble().text);
    tell("removed " + std::to_string(*count) + " from " + spec.text());
    any = any || *count > 0;
  }
  return any ? 0 : 1;
}

// -d for a table that is no file.
bool TableTool::remove_each(const std::string& name,
                            const std::vector<std::string>& keys) {
  const auto table = open(name);
  bool any = false;
  for (const std::string& key : keys) {
    const Result<bool> removed = table->remove(stored(key));
    if (!removed) tool_.fatal(removed.trouble().text);
    any = any || *removed;
  }
  return any;
}

void TableTool::list(const std::string& name) {
  const auto table = open(name);
  const Status status =
      table->for_each([&](std::string_view key, std::string_view value) {
        if (!build_.values_are_files) return print(key, value);
        if (const auto bytes = base64_decode(value)) return print(key, *bytes);
        tool_.warning("table " + table->name() + ": key " + std::string(key) +
                      ": malformed BASE64 value: " + std::string(value));
      });
  if (!status.ok()) tool_.fatal(status.trouble().text);
}

}  // namespace

int run_table_tool(int argc, char** argv, bool aliases) {
  return TableTool(argv[0], aliases).run(argc, argv);
}

}  // namespace postern::tools
