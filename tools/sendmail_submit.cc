#include "tools/sendmail_submit.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/verp.h"
#include "common/mail/tokens.h"
#include "common/os/users.h"
#include "tools/caller.h"
#include "tools/message_text.h"
#include "tools/postdrop_client.h"
#include "tools/submission.h"

namespace postern::tools {
namespace {

// The GECOS field up to its first comma, with & for the login name.
std::string gecos_name(const os::User& user) {
  std::string out;
  for (const char c : user.full_name) {
    if (c == ',') break;
    if (c != '&') {
      out += c;
    } else if (!user.name.empty()) {
      out += upper(user.name[0]);
      out += user.name.substr(1);
    }
  }
  return out;
}

std::string full_name(const Tool& tool, const SendmailOptions& options) {
  if (options.full_name) return *options.full_name;
  if (const char* name = std::getenv("NAME")) return name;
  const Result<std::optional<os::User>> user = os::find_user(::getuid());
  if (!user) tool.fatal(user.trouble().text);
  return *user ? gecos_name(**user) : "";
}

// -f takes what a header takes; of several addresses the first counts.
std::string sender_of(const Tool& tool, const SendmailOptions& options) {
  if (!options.sender) return login_name(tool);
  const std::vector<std::string> found =
      mail::extract_addresses(*options.sender);
  if (found.size() > 1)
    tool.warning("-f option specified malformed sender: " + *options.sender);
  return found.empty() ? "" : found.front();
}

std::vector<std::string> recipients_of(const SendmailOptions& options) {
  std::vector<std::string> all;
  for (const std::string& argument : options.arguments)
    for (std::string& address : mail::extract_addresses(argument))
      all.push_back(std::move(address));
  return all;
}

void put_recipient(PostdropClient& postdrop, const SendmailOptions& options,
                   const std::string& address) {
  if (options.notify != 0)
    postdrop.put_attribute("notify_flags", std::to_string(options.notify));
  postdrop.put(rec_recipient, address);
}

void put_envelope(PostdropClient& postdrop, const SendmailOptions& options,
                  const std::string& sender, const std::string& name) {
  if (!options.envid.empty())
    postdrop.put_attribute("envelope_id", options.envid);
  if (!options.ret.empty())
    postdrop.put_attribute("ret_flags", options.ret == "FULL" ? "1" : "2");
  if (!options.body.empty()) postdrop.put_attribute("encoding", options.body);
  if (options.gateway) postdrop.put_attribute("rewrite_context", "remote");
  const std::int64_t trace =
      options.mode == SendmailMode::verify ? trace_verify
      : options.verbose == 1               ? trace_record
                                           : 0;
  if (trace != 0) postdrop.put_attribute("trace_flags", std::to_string(trace));
  if (!name.empty()) postdrop.put(rec_full_name, name);
  postdrop.put(rec_sender, sender);
}

// A verification delivers nothing: it has a text for the report alone.
void put_probe(PostdropClient& postdrop,
               const std::vector<std::string>& recipients) {
  postdrop.put(rec_line, "Subject: probe");
  std::vector<std::string> shown;
  for (const std::string& address : recipients)
    shown.push_back(mail::quote_local_822(address));
  postdrop.put(rec_line, "To: " + join(shown, ", "));
}

// `header`, if given, sees it all.
void put_text(PostdropClient& postdrop, MessageText& text,
              std::optional<MessageText::Piece> first,
              HeaderRecipients* header) {
  for (auto piece = first ? std::move(first) : text.next(); piece;
       piece = text.next()) {
    postdrop.put(piece->complete ? rec_line : rec_partial, piece->text);
    if (header != nullptr) header->feed(*piece);
  }
}

LineEnds line_ends_of(const Tool& tool, const config::Config& config) {
  const std::string name = config.get<"sendmail_fix_line_endings">();
  const std::optional<LineEnds> line_ends = line_ends_from(name);
  if (!line_ends)
    tool.fatal("bad value for sendmail_fix_line_endings: " + name +
               " (always, strict or never)");
  return *line_ends;
}

}  // namespace

std::string login_name(const Tool& tool) {
  const Result<std::optional<os::User>> user = os::find_user(::getuid());
  if (!user) tool.fatal(user.trouble().text);
  if (!*user)
    tool.fatal(
        fmt::format("unable to find login name for user ID {}", ::getuid()));
  return (*user)->name;
}

void submit_message(const Tool& tool, const config::Config& config,
                    const SendmailOptions& options) {
  require_authorised(tool, config, "authorized_submit_users", "submit mail");
  MessageText text(stdin, {options.dot_ends, line_ends_of(tool, config)});
  std::optional<MessageText::Piece> first;
  std::string sender = sender_of(tool, options);
  if (options.uucp && !options.sender) {
    first = text.next();
    const std::string told = uucp_sender(text.mailbox_lines());
    if (!told.empty()) sender = told;
  }
  const std::string who =
      fmt::format("{}({})", mail::quote_local_822(sender), ::getuid());
  const std::vector<std::string> recipients = recipients_of(options);
  if (recipients.empty() && !options.header_recipients)
    tool.fatal(who +
               ": Recipient addresses must be specified on the command line "
               "or via the -t option");

  std::string verp;
  if (options.verp) {
    verp = options.verp->empty() ? config.get<"default_verp_delimiters">()
                                 : *options.verp;
    const std::string allowed = config.get<"verp_delimiter_filter">();
    if (!mail::verp_complaint(verp, allowed).empty())
      tool.fatal("-V requires two characters from " + allowed);
    if (sender.empty())
      tool.fatal(who + ": -V option requires non-null sender address");
  }

  Result<PostdropClient> postdrop = PostdropClient::start(config);
  if (!postdrop) tool.fatal(who + ": " + postdrop.trouble().text);
  put_envelope(*postdrop, options, sender, full_name(tool, options));
  if (!verp.empty()) postdrop->put(rec_verp, verp);
  for (const std::string& address : recipients)
    put_recipient(*postdrop, options, address);
  postdrop->put(rec_message, "");
  HeaderRecipients header(
      static_cast<std::size_t>(config.get<"header_size_limit">()));
  if (options.mode == SendmailMode::verify)
    put_probe(*postdrop, recipients);
  else
    put_text(*postdrop, text, std::move(first),
             options.header_recipients ? &header : nullptr);
  // Ended without an end: postdrop forgets what it has.
  if (text.failed()) tool.fatal(who + ": error reading input");
  const std::vector<std::string> found = header.finish();
  if (found.empty() && recipients.empty())
    tool.fatal(who + ": No recipient addresses found in message header");
  postdrop->put(rec_extracted, "");
  for (const std::string& address : found)
    put_recipient(*postdrop, options, address);
  const Result<std::string> id = postdrop->finish();
  if (!id)
    tool.fatal(who + ": " +
               (id.trouble().detail == "3.4" ? "message file too big"
                                             : id.trouble().text));
  if (options.mode == SendmailMode::verify || options.verbose == 1)
    std::printf("Mail Delivery Status Report will be mailed to <%s>.\n",
                mail::quote_local_822(sender).c_str());
}

}  // namespace postern::tools
