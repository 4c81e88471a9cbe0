#include "tools/explain_options.h"

#include <cstdio>
#include <ctime>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/path.h"

namespace postern::tools {
namespace {

constexpr const char* usage =
    "usage: postern explain [options] RECIPIENT\n"
    "       postern explain [options] --line TEXT | --queue-id ID | "
    "--session ADDRESS\n"
    "  --client ADDRESS       the client's address (127.0.0.1)\n"
    "  --client-name NAME     its verified name; else it is looked up\n"
    "  --helo NAME            as given with HELO or EHLO\n"
    "  --from ADDRESS         the sender; none is the null sender\n"
    "  --sasl-user USER       who has logged in\n"
    "  --sasl-method METHOD   and how (PLAIN)\n"
    "  --tls                  the session is encrypted\n"
    "  --stage COMMAND        what is judged: CONNECT, EHLO, MAIL, RCPT (the\n"
    "                         usual), DATA, END-OF-MESSAGE, VRFY, or ETRN with\n"
    "                         a domain in the recipient's place\n"
    "  --size BYTES           of the message\n"
    "  --recipients NUMBER    of the message (1), for DATA and END-OF-MESSAGE\n"
    "  --service NAME         the row of master.conf whose options count (smtp)\n"
    "  --time SECONDS         since 1970, for the age of verified addresses\n"
    "  --ask-policy           ask policy services, which may remember it\n"
    "  --no-dns               ask no name server\n"
    "  --json                 print JSON\n"
    "of refusals that happened, judged again by the configuration of now:\n"
    "  --line TEXT            a line of the mail log that tells of one\n"
    "  --queue-id ID          those of a message, from the mail log\n"
    "  --session ADDRESS      those of the client's last session, from the log\n";

constexpr std::string_view stages[] = {"CONNECT", "HELO", "EHLO", "MAIL",
                                       "RCPT",    "DATA", "BDAT", "VRFY",
                                       "ETRN",    "END-OF-MESSAGE"};

struct TextOption {
  std::string_view name;
  std::string Envelope::* text;
};
constexpr TextOption text_options[] = {
    {"--client", &Envelope::client_address},
    {"--helo", &Envelope::helo},
    {"--from", &Envelope::sender},
    {"--sasl-user", &Envelope::sasl_user},
    {"--sasl-method", &Envelope::sasl_method},
    {"--service", &Envelope::service},
};
struct SourceOption {
  std::string_view name;
  std::string ExplainWords::* text;
};
constexpr SourceOption source_options[] = {
    {"--line", &ExplainWords::line},
    {"--queue-id", &ExplainWords::queue_id},
    {"--session", &ExplainWords::session},
};
struct NumberOption {
  std::string_view name;
  std::int64_t Envelope::* number;
};
constexpr NumberOption number_options[] = {
    {"--time", &Envelope::time},
    {"--size", &Envelope::size},
    {"--recipients", &Envelope::recipients},
};
struct Switch {
  std::string_view name;
  bool Envelope::* flag;
  bool value;
};
constexpr Switch switches[] = {{"--ask-policy", &Envelope::ask_policy, true},
                               {"--tls", &Envelope::encrypted, true},
                               {"--no-dns", &Envelope::dns, false}};

bool take_switch(ExplainWords& words, const std::string& word) {
  if (word == "--json") return words.json = true;
  for (const Switch& each : switches)
    if (word == each.name) {
      words.envelope.*each.flag = each.value;
      return true;
    }
  return false;
}

bool take_stage(Envelope& envelope, const std::string& value) {
  envelope.stage = to_upper(value);
  for (const std::string_view each : stages)
    if (envelope.stage == each) return true;
  return false;
}

// An option with a value; false: there is none of that name, or the value is
// none.
bool take_option(ExplainWords& words, const std::string& name,
                 const std::string& value) {
  Envelope& envelope = words.envelope;
  for (const TextOption& each : text_options)
    if (name == each.name) {
      envelope.*each.text = value;
      return true;
    }
  for (const SourceOption& each : source_options)
    if (name == each.name) {
      words.*each.text = value;
      return !value.empty();
    }
  for (const NumberOption& each : number_options)
    if (name == each.name) {
      const std::optional<std::int64_t> number = parse_number(value);
      envelope.*each.number = number.value_or(0);
      return number && *number >= 0;
    }
  if (name == "--stage") return take_stage(envelope, value);
  if (name != "--client-name") return false;
  envelope.client_name = value;
  return true;
}

std::nullopt_t refuse(const std::string& why) {
  std::fprintf(stderr, "postern explain: %s\n\n%s", why.c_str(), usage);
  return std::nullopt;
}

// What options alone cannot say wrong.
std::optional<std::string> complete(ExplainWords& words) {
  Envelope& envelope = words.envelope;
  if (words.from_log())
    return envelope.recipient.empty()
               ? std::optional<std::string>()
               : "a refusal of the log has a recipient of its own";
  if (envelope.recipient.empty()) return "which recipient?";
  if (!mail::valid_hostaddr(envelope.client_address))
    return "not an address: " + envelope.client_address;
  std::string* const addresses[] = {&envelope.sender, &envelope.recipient};
  for (std::string* address : addresses) {
    if (envelope.stage == "ETRN" && address == &envelope.recipient) continue;
    std::optional<std::string> parsed = internal_address(*address);
    if (!parsed) return "not a mail address: " + *address;
    *address = std::move(*parsed);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> internal_address(const std::string& external) {
  mail::PathRules rules;
  rules.allow_empty = true;
  return mail::parse_path("<" + external + ">", rules);
}

std::optional<ExplainWords> read_explain_words(
    const std::vector<std::string>& words) {
  ExplainWords out;
  out.envelope.time = std::time(nullptr);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (take_switch(out, word)) continue;
    if (!word.starts_with("--")) {
      if (!out.envelope.recipient.empty())
        return refuse("one recipient at a time: " + word);
      out.envelope.recipient = word;
      continue;
    }
    if (i + 1 == words.size()) return refuse("no value behind " + word);
    if (!take_option(out, word, words[++i]))
      return refuse("not understood: " + word + " " + words[i]);
  }
  if (const std::optional<std::string> fault = complete(out))
    return refuse(*fault);
  return out;
}

}  // namespace postern::tools
