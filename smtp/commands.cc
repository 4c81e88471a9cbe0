#include "smtp/commands.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string_view>
#include <utility>

#include "common/base/text.h"
#include "common/ipc/messages/content.h"
#include "common/mail/address.h"
#include "common/mail/path.h"

namespace postern::smtp {
namespace {

std::string written(const std::string& address, const Settings& settings) {
  return settings.quote_envelope ? mail::quote_local_821(address) : address;
}

std::string notify_words(std::int64_t notify) {
  if ((notify & ipc::notify_never) != 0) return "NEVER";
  std::vector<std::string> words;
  if ((notify & ipc::notify_success) != 0) words.push_back("SUCCESS");
  if ((notify & ipc::notify_failure) != 0) words.push_back("FAILURE");
  if ((notify & ipc::notify_delay) != 0) words.push_back("DELAY");
  return join(words, ",");
}

std::string attribute(const ipc::DeliverRequest& request,
                      std::string_view name) {
  for (const auto& [key, value] : request.attributes)
    if (key == name) return value;
  return {};
}

// What the log calls the client goes before what the connection says:
// a content filter's XFORWARD has told us.
std::string logged(const ipc::DeliverRequest& request,
                   const std::string& name) {
  const std::string told = attribute(request, "log_" + name);
  return told.empty() ? attribute(request, name) : told;
}

using Words = std::initializer_list<std::pair<const char*, std::string>>;

void add_xforward(std::vector<std::string>& commands, const Features& features,
                  Words words) {
  std::string command = "XFORWARD";
  for (const auto& [name, value] : words)
    if (!value.empty() && value != "unknown" && features.forwards(name))
      command += fmt::format(" {}={}", name, mail::xtext_encode(value));
  if (command != "XFORWARD") commands.push_back(std::move(command));
}

// The transaction is one of RFC 6531.
bool says_utf8(const ipc::DeliverRequest& request, const Features& features) {
  return features.smtputf8 && request.smtputf8;
}

}  // namespace

std::string mail_from(const ipc::DeliverRequest& request,
                      const std::string& sender, const Features& features,
                      const Settings& settings) {
  std::string out = fmt::format("MAIL FROM:<{}>", written(sender, settings));
  // Nobody knows yet how large it will be after a conversion.
  const bool as_it_is = features.eight_bit || !settings.convert_8bit;
  if (features.size && as_it_is)
    out += fmt::format(" SIZE={}", request.content_size);
  if (features.eight_bit && !request.body.empty())
    out += " BODY=" + request.body;
  if (features.dsn) {
    if (!request.envid.empty())
      out += " ENVID=" + mail::xtext_encode(request.envid);
    if (!request.ret.empty()) out += " RET=" + request.ret;
  }
  if (says_utf8(request, features)) out += " SMTPUTF8";
  if (features.auth && settings.send_dummy_auth) out += " AUTH=<>";
  return out;
}

std::string rcpt_to(const ipc::DeliverRequest& request,
                    const ipc::DeliverRecipient& recipient,
                    const std::string& address, const Features& features,
                    const Settings& settings) {
  std::string out = fmt::format("RCPT TO:<{}>", written(address, settings));
  if (!features.dsn) return out;
  const std::string& original =
      recipient.original.empty() ? recipient.address : recipient.original;
  const std::string type = all_ascii(original) ? "rfc822;" : "utf-8;";
  const std::string orcpt = recipient.orcpt.find(';') != std::string::npos
                                ? recipient.orcpt
                                : type + original;
  out += " ORCPT=" + mail::orcpt_value(orcpt, says_utf8(request, features));
  const std::string notify = notify_words(recipient.notify);
  if (!notify.empty()) out += " NOTIFY=" + notify;
  return out;
}

std::vector<std::string> xforward(const ipc::DeliverRequest& request,
                                  const Features& features) {
  std::vector<std::string> commands;
  const std::string address = logged(request, "client_address");
  std::string ident = attribute(request, "log_ident");
  if (ident.empty() && !address.empty()) ident = request.queue_id;
  const bool local = request.context == "local";
  add_xforward(commands, features,
               {{"NAME", logged(request, "client_name")},
                {"ADDR", address},
                {"PORT", logged(request, "client_port")}});
  add_xforward(commands, features,
               {{"PROTO", logged(request, "protocol_name")},
                {"HELO", logged(request, "helo_name")},
                {"IDENT", ident},
                {"SOURCE", local ? "LOCAL" : "REMOTE"}});
  return commands;
}

}  // namespace postern::smtp
