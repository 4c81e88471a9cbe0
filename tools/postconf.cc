// postconf(1): shows and changes main.conf and master.conf.
// Next: postconf_main.h (parameters), postconf_master.h (services),
// postconf_edit.h (changes), postconf_manual.h (the reference).

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "common/base/text.h"
#include "common/databases/types.h"
#include "common/mail/bounce_template.h"
#include "common/os/files.h"
#include "tools/postconf_edit.h"
#include "tools/postconf_main.h"
#include "tools/postconf_manual.h"
#include "tools/postconf_master.h"
#include "tools/postconf_names.h"

namespace postern::postconf {
namespace {

constexpr const char* option_letters = "aAbc:C:defFhHlmMno:pPtT:vxX#";

constexpr const char* usage_text =
    "usage: postconf [-a (server SASL types)] [-A (client SASL types)] "
    "[-b (bounce templates)] [-c config_dir] [-C param_class] [-d (parameter defaults)] "
    "[-e (edit configuration)] [-f (fold lines)] [-F (master.conf fields)] "
    "[-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] "
    "[-M (master.conf)] [-n (non-default parameters)] "
    "[-o name=value (override parameter value)] [-p (main.conf, default)] "
    "[-P (master.conf parameters)] "
    "[-t (bounce templates)] "
    "[-T compile-version|run-version|public-key-algorithms] "
    "[-v (say where values come from)] [-x (expand parameter values)] "
    "[-X (exclude)] [-# (comment-out)] [name...]";

// What -l, -a and -A list; for -m see common/databases/types.h.
constexpr const char* lock_types[] = {"flock", "fcntl", "dotlock"};
constexpr const char* server_sasl_types[] = {"cyrus", "dovecot", "postern"};
constexpr const char* client_sasl_types[] = {"cyrus"};
constexpr const char* key_algorithms[] = {"ecdsa", "ed25519", "rsa"};

struct Command {
  std::string letters;  // each option given, once
  config::NameValues overrides;
  std::string classes;
  std::string tls_mode;
  std::vector<std::string> arguments;

  bool has(char letter) const {
    return letters.find(letter) != std::string::npos;
  }
};

void print_all(const auto& names) {
  for (const auto& name : names) fmt::print("{}\n", name);
}

// At most one of these options: "specify one of -d -n".
void at_most_one(const Tool& tool, const Command& command,
                 std::string_view group) {
  std::string given;
  int count = 0;
  for (char letter : group) {
    if (!command.has(letter)) continue;
    given += fmt::format(" -{}", letter);
    ++count;
  }
  if (count > 1) tool.fatal("specify one of" + given);
}

void refuse(const Tool& tool, const Command& command, char with,
            std::string_view letters) {
  if (!command.has(with)) return;
  for (char letter : letters)
    if (command.has(letter))
      tool.fatal(fmt::format("with option -{}, do not specify -{}", with,
                             letter));
}

void check_options(const Tool& tool, const Command& command) {
  for (char view : {'M', 'F', 'P'}) refuse(tool, command, view, "d");
  at_most_one(tool, command, "aAbdFlmMPptT");
  at_most_one(tool, command, "denX#");
  at_most_one(tool, command, "hH");
  refuse(tool, command, 'F', "X#");
  refuse(tool, command, 'P', "#");
  for (char view : {'M', 'F', 'P'}) refuse(tool, command, view, "n");
}

Command parse_options(Tool& tool, int argc, char** argv) {
  Command command;
  std::string directory;
  int letter;
  // "+": options end where names begin.
  while ((letter = getopt(argc, argv,
                          (std::string("+") + option_letters).c_str())) != -1) {
    switch (letter) {
      case 'c': tool.use_directory(optarg); break;
      case 'C': command.classes = optarg; break;
      case 'T': command.tls_mode = optarg; break;
      case 'o': {
        auto pair = config::parse_assignment(optarg);
        if (!pair)
          tool.fatal(fmt::format(
              "invalid parameter override: {}: missing '=' after attribute "
              "name",
              optarg));
        command.overrides.emplace_back(pair->name, pair->value);
        break;
      }
      case '?': case ':': tool.fatal(usage_text);
      default: break;
    }
    if (!command.has(static_cast<char>(letter)))
      command.letters += static_cast<char>(letter);
  }
  command.arguments.assign(argv + optind, argv + argc);
  check_options(tool, command);
  return command;
}

Style style_of(const Command& command) {
  return {command.has('f'), command.has('h'), command.has('H')};
}

void choose_classes(const Tool& tool, const Command& command,
                    MainRequest& request) {
  if (!command.has('C')) return;
  request.builtin = request.service = request.user = false;
  for (const std::string& word : split_words(command.classes)) {
    if (word == "builtin") request.builtin = true;
    else if (word == "service") request.service = true;
    else if (word == "user") request.user = true;
    else if (word == "all")
      request.builtin = request.service = request.user = true;
    else
      tool.fatal(fmt::format("unknown -C option value \"{}\" in \"{}\"", word,
                             command.classes));
  }
}

void warn_all(const Tool& tool, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) tool.warning(line);
}

// The service table, as far as parameter names depend on it.
config::MasterTable table_for_names(const Tool& tool) {
  std::string file = config::master_path(tool.directory());
  Result<std::string> content = os::read_file(file);
  if (!content) tool.warning(content.trouble().text);
  if (content) read_entries(tool, *content, file);  // fatal for what is wrong
  std::vector<config::TableProblem> ignored;
  return config::MasterTable::read(content ? *content : "", file, ignored);
}

void show_parameters(const Tool& tool, const Command& command) {
  MainRequest request;
  request.expand = command.has('x');
  request.verbose = command.has('v');
  request.style = style_of(command);
  request.names = command.arguments;
  choose_classes(tool, command, request);
  bool defaults = command.has('d');
  if (defaults) request.shown = Shown::defaults;
  if (command.has('n')) request.shown = Shown::set;
  config::Config file =
      defaults ? config::Config::defaults() : tool.load();
  config::Config config = file.with_overrides(command.overrides);
  config::MasterTable table = table_for_names(tool);
  NameSpace space(config, table);
  if (!defaults) warn_all(tool, space.undefined());
  show_main(tool, config, space, request);
  if (defaults) return;
  warn_all(tool, space.unused_in_main());
  warn_all(tool, space.unused_in_master());
}

void show_services(const Tool& tool, const Command& command) {
  MasterRequest request;
  request.view = command.has('M')   ? MasterView::entries
                 : command.has('F') ? MasterView::fields
                                    : MasterView::parameters;
  request.expand = command.has('x');
  request.style = style_of(command);
  request.patterns = command.arguments;
  std::string file = config::master_path(tool.directory());
  config::Config config = tool.load().with_overrides(command.overrides);
  Result<std::string> content = os::read_file(file);
  if (!content) tool.fatal(content.trouble().text);
  std::vector<Entry> entries = read_entries(tool, *content, file);
  std::vector<config::TableProblem> ignored;
  auto table = config::MasterTable::read(*content, file, ignored);
  for (const config::TableProblem& problem : ignored)
    tool.warning(fmt::format("{}: line {}: {}", file, problem.line,
                             problem.text));
  NameSpace space(config, table);
  warn_all(tool, space.undefined());
  show_master(tool, config, entries, request);
  warn_all(tool, space.unused_in_master());
}

void edit(const Tool& tool, const Command& command) {
  EditVerb verb = command.has('X')   ? EditVerb::remove
                  : command.has('#') ? EditVerb::comment_out
                                     : EditVerb::set;
  if (command.arguments.empty())
    tool.fatal(verb != EditVerb::set ? "missing service argument"
                                     : "-e requires name=value argument");
  std::string main = config::main_path(tool.directory());
  std::string master = config::master_path(tool.directory());
  if (command.has('M'))
    edit_entries(tool, master, verb, command.arguments);
  else if (command.has('F'))
    edit_fields(tool, master, command.arguments);
  else if (command.has('P'))
    edit_parameters(tool, master, verb, command.arguments);
  else
    edit_main(tool, main, verb, command.arguments);
}

int show_tls(const Tool& tool, const std::string& mode) {
  if (mode == "compile-version") {
    fmt::print("{}\n", OPENSSL_VERSION_TEXT);
  } else if (mode == "run-version") {
    fmt::print("{}\n", OpenSSL_version(OPENSSL_VERSION));
  } else if (mode == "public-key-algorithms") {
    print_all(key_algorithms);
  } else {
    tool.warning("unknown 'postconf -T' mode: " + mode);
    return 1;
  }
  return 0;
}

// -t: the templates as a file of them would have them; -b: the texts as they
// are sent. Of the file named on the command line, else of bounce_template_file.
void show_notices(const Tool& tool, const Command& command) {
  if (command.arguments.size() > 1)
    tool.fatal("options -b and -t require at most one template file");
  config::Config config = tool.load().with_overrides(command.overrides);
  const std::string file = command.arguments.empty()
                               ? config.get<"bounce_template_file">()
                               : command.arguments[0];
  mail::TemplateFile read{mail::built_in_templates(), {}};
  if (!file.empty()) {
    const Result<std::string> text = os::read_file(file);
    if (!text) tool.fatal(text.trouble().text);
    read = mail::parse_bounce_templates(*text, file);
    warn_all(tool, read.warnings);
  }
  if (command.has('t')) {
    fmt::print("{}", mail::print_templates(read.templates));
    return;
  }
  mail::TemplateParameters parameters;
  parameters.value = [&config](std::string_view name) {
    return config.find(name) ? std::optional(config.text(name)) : std::nullopt;
  };
  parameters.delay_warning_time =
      config.get<"delay_warning_time">().count();
  parameters.maximal_queue_lifetime =
      config.get<"maximal_queue_lifetime">().count();
  std::vector<std::string> warnings;
  const Result<std::string> text =
      mail::print_expanded(read.templates, parameters, &warnings);
  warn_all(tool, warnings);
  if (!text) tool.fatal(text.trouble().text);
  fmt::print("{}", *text);
}

int run(int argc, char** argv) {
  Tool tool(argv[0]);
  if (argc == 2 && std::string_view(argv[1]) == "--manual") {
    fmt::print("{}", manual_page());
    return 0;
  }
  if (argc == 2 && std::string_view(argv[1]) == "--markdown") {
    fmt::print("{}", markdown_page());
    return 0;
  }
  Command command = parse_options(tool, argc, argv);
  bool editing = command.has('e') || command.has('X') || command.has('#');
  // `name=value` means -e, unless another verb was given.
  if (!editing && !command.has('d') && !command.has('n') &&
      !command.arguments.empty() &&
      command.arguments[0].find('=') != std::string::npos)
    editing = true;
  if (command.has('l')) print_all(lock_types);
  else if (command.has('m')) print_all(databases::table_types());
  else if (command.has('a')) print_all(server_sasl_types);
  else if (command.has('A')) print_all(client_sasl_types);
  else if (command.has('T')) return show_tls(tool, command.tls_mode);
  else if (command.has('b') || command.has('t')) show_notices(tool, command);
  else if (editing) edit(tool, command);
  else if (command.has('M') || command.has('F') || command.has('P'))
    show_services(tool, command);
  else show_parameters(tool, command);
  return 0;
}

}  // namespace
}  // namespace postern::postconf

int main(int argc, char** argv) { return postern::postconf::run(argc, argv); }
