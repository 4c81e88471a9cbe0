// sendmail -bs: RFC 5321 on standard input and output, for local programs that
// speak it. Messages take the way of all local submissions.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/mail/path.h"
#include "common/mail/received.h"
#include "tools/caller.h"
#include "tools/postdrop_client.h"
#include "tools/sendmail_submit.h"
#include "tools/submission.h"

namespace postern::tools {
namespace {

constexpr std::size_t longest_command = 4096;
constexpr std::size_t longest_piece = 32768;

struct SmtpRecipient {
  std::string address;
  std::string notify;  // the attribute's value, or empty
  std::string orcpt;
};

class LocalSmtp {
 public:
  LocalSmtp(const Tool& tool, const config::Config& config)
      : tool_(tool),
        config_(config),
        name_(config.get<"myhostname">()),
        size_limit_(config.get<"message_size_limit">()),
        vrfy_(!config.get<"disable_vrfy_command">()) {}

  void run();

 private:
  // Without its end; false at the end of the input.
  bool read_line(std::string& line, std::size_t limit, bool& complete);
  void reply(std::string_view text) {
    std::printf("%s\r\n", std::string(text).c_str());
    std::fflush(stdout);
  }
  void reset() {
    mail_ = false;
    recipients_.clear();
    attributes_.clear();
    sender_.clear();
    postdrop_.reset();
    chunk_line_.clear();
  }
  void ehlo();
  void mail(const std::string& arguments);
  void rcpt(const std::string& arguments);
  bool data();
  // Opens the submission and writes all that comes before the text; false: it
  // cannot be had, and the reply says so.
  bool begin_message();
  void finish_message();
  std::string received() const;
  // RFC 3030; false when the input ends within the chunk.
  bool bdat(const std::string& arguments);
  void put_chunk(std::string_view bytes, bool last);
  // An empty text: taken; otherwise the reply.
  std::string mail_parameter(const mail::Parameter& parameter);
  std::string rcpt_parameter(const mail::Parameter& parameter,
                             SmtpRecipient& recipient);

  const Tool& tool_;
  const config::Config& config_;
  std::string name_;
  std::int64_t size_limit_;
  bool vrfy_;
  std::string helo_;
  bool extended_ = false;
  bool mail_ = false;
  std::optional<PostdropClient> postdrop_;  // the message under way
  std::string chunk_line_;  // the unfinished line at the end of a chunk
  std::string sender_;
  std::vector<std::pair<std::string, std::string>> attributes_;
  std::vector<SmtpRecipient> recipients_;
};

bool LocalSmtp::read_line(std::string& line, std::size_t limit,
                          bool& complete) {
  line.clear();
  complete = true;
  int c = EOF;
  while ((c = ::getc_unlocked(stdin)) != EOF && c != '\n') {
    line += static_cast<char>(c);
    if (line.size() < limit || c == '\r') continue;
    complete = false;
    return true;
  }
  if (c == EOF) return false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

void LocalSmtp::ehlo() {
  std::vector<std::string> lines = {name_, "PIPELINING"};
  lines.push_back(size_limit_ > 0 ? fmt::format("SIZE {}", size_limit_)
                                  : "SIZE");
  if (vrfy_) lines.emplace_back("VRFY");
  for (const char* keyword : {"ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN",
                              "SMTPUTF8", "CHUNKING"})
    lines.emplace_back(keyword);
  for (std::size_t i = 0; i < lines.size(); ++i)
    reply((i + 1 < lines.size() ? "250-" : "250 ") + lines[i]);
}

std::string LocalSmtp::mail_parameter(const mail::Parameter& parameter) {
  const std::string value = parameter.value.value_or("");
  if (parameter.is("SIZE")) {
    const auto size = mail::parse_size(value);
    if (!size) return "501 5.5.4 Bad message size syntax";
    if (size_limit_ > 0 && *size > size_limit_)
      return "552 5.3.4 Message size exceeds fixed limit";
  } else if (parameter.is("BODY")) {
    const auto body = mail::parse_body(value);
    if (!body) return "501 5.5.4 Error: bad BODY parameter";
    attributes_.emplace_back(
        "encoding", *body == mail::Body::seven_bit ? "7bit" : "8bit");
  } else if (parameter.is("RET")) {
    const auto ret = mail::parse_ret(value);
    if (!ret) return "501 5.5.4 Error: bad RET parameter syntax";
    attributes_.emplace_back("ret_flags",
                             *ret == mail::Return::full ? "1" : "2");
  } else if (parameter.is("ENVID")) {
    const auto envid = mail::parse_envid(value);
    if (!envid) return "501 5.5.4 Error: bad ENVID parameter syntax";
    attributes_.emplace_back("envelope_id", *envid);
  } else if (parameter.is("SMTPUTF8") && !parameter.value) {
    attributes_.emplace_back("smtputf8", "1");
  } else {
    return "555 5.5.4 Unsupported option: " + printable(parameter.text);
  }
  return {};
}

void LocalSmtp::mail(const std::string& text) {
  if (mail_) return reply("503 5.5.1 Error: nested MAIL command");
  const auto arguments = mail::split_envelope_arguments(text, "FROM");
  if (!arguments) return reply("501 5.5.4 Syntax: MAIL FROM:<address>");
  mail::PathRules rules;
  rules.allow_empty = true;
  const auto address = mail::parse_path(arguments->path, rules);
  if (!address) return reply("501 5.1.7 Bad sender address syntax");
  for (const mail::Parameter& each : arguments->parameters)
    if (const std::string refused = mail_parameter(each); !refused.empty()) {
      reset();
      return reply(refused);
    }
  sender_ = *address;
  mail_ = true;
  reply("250 2.1.0 Ok");
}

std::string LocalSmtp::rcpt_parameter(const mail::Parameter& parameter,
                                      SmtpRecipient& recipient) {
  const std::string value = parameter.value.value_or("");
  if (parameter.is("NOTIFY")) {
    const auto notify = mail::parse_notify(value);
    if (!notify) return "501 5.5.4 Error: Bad NOTIFY parameter syntax";
    recipient.notify = std::to_string(notify_bits(*notify));
  } else if (parameter.is("ORCPT")) {
    const auto orcpt = mail::parse_orcpt(value);
    if (!orcpt) return "501 5.5.4 Error: Bad ORCPT parameter syntax";
    recipient.orcpt = *orcpt;
  } else {
    return "555 5.5.4 Unsupported option: " + printable(parameter.text);
  }
  return {};
}

void LocalSmtp::rcpt(const std::string& text) {
  if (!mail_) return reply("503 5.5.1 Error: need MAIL command");
  const auto arguments = mail::split_envelope_arguments(text, "TO");
  if (!arguments) return reply("501 5.5.4 Syntax: RCPT TO:<address>");
  const auto address = mail::parse_path(arguments->path, {});
  if (!address || address->empty())
    return reply("501 5.1.3 Bad recipient address syntax");
  SmtpRecipient recipient;
  recipient.address = *address;
  for (const mail::Parameter& each : arguments->parameters)
    if (const std::string refused = rcpt_parameter(each, recipient);
        !refused.empty())
      return reply(refused);
  recipients_.push_back(std::move(recipient));
  reply("250 2.1.5 Ok");
}

// The hop from whoever speaks to us; pickup adds that of the submission.
std::string LocalSmtp::received() const {
  mail::Received header;
  header.hostname = name_;
  header.mail_name = config_.get<"mail_name">();
  header.when = std::time(nullptr);
  const bool utf8 =
      std::any_of(attributes_.begin(), attributes_.end(),
                  [](const auto& each) { return each.first == "smtputf8"; });
  mail::ReceivedFrom from;
  from.helo = helo_;
  from.name = "localhost";
  from.address = "127.0.0.1";
  from.protocol = mail::protocol_name(extended_, false, false, utf8);
  header.from = from;
  if (recipients_.size() == 1) header.recipient = recipients_.front().address;
  return mail::received_header(header);
}

bool LocalSmtp::begin_message() {
  Result<PostdropClient> postdrop = PostdropClient::start(config_);
  if (!postdrop) {
    tool_.warning(postdrop.trouble().text);
    reply("451 4.3.0 Error: queue file write error");
    return false;
  }
  for (const auto& [name, value] : attributes_)
    postdrop->put_attribute(name, value);
  postdrop->put(rec_sender, sender_);
  for (const SmtpRecipient& each : recipients_) {
    if (!each.notify.empty())
      postdrop->put_attribute("notify_flags", each.notify);
    if (!each.orcpt.empty())
      postdrop->put_attribute("dsn_orig_rcpt", each.orcpt);
    postdrop->put(rec_recipient, each.address);
  }
  postdrop->put(rec_message, "");
  for (const std::string& line : split(received(), '\n'))
    postdrop->put(rec_line, line);
  postdrop_.emplace(std::move(*postdrop));
  return true;
}

void LocalSmtp::finish_message() {
  const Result<std::string> id = postdrop_->finish();
  if (id)
    reply("250 2.0.0 Ok: queued as " + *id);
  else if (id.trouble().detail == "3.4")
    reply("552 5.3.4 Error: message file too big");
  else
    reply("451 " + id.trouble().status() + " Error: " + id.trouble().text);
}

void LocalSmtp::put_chunk(std::string_view bytes, bool last) {
  chunk_line_ += bytes;
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = chunk_line_.find('\n', at);
    if (end == std::string::npos) break;
    std::string_view line = std::string_view(chunk_line_).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    postdrop_->put(rec_line, line);
    at = end + 1;
  }
  chunk_line_.erase(0, at);
  if (last && !chunk_line_.empty()) postdrop_->put(rec_line, chunk_line_);
  // A CR at the end may belong to a line end.
  if (last || chunk_line_.size() < longest_piece) return;
  const std::size_t sure = chunk_line_.size() - 1;
  postdrop_->put(rec_partial, std::string_view(chunk_line_).substr(0, sure));
  chunk_line_.erase(0, sure);
}

// What was announced is read in any case, so that no text is taken for
// commands.
bool LocalSmtp::bdat(const std::string& arguments) {
  const std::vector<std::string> words = split_words(arguments);
  const auto size =
      words.empty() ? std::nullopt : mail::parse_size(words.front());
  const bool last = words.size() == 2 && equal_nocase(words[1], "LAST");
  if (!size || words.size() > 2 || (words.size() == 2 && !last)) {
    reply("501 5.5.4 Syntax: BDAT count [LAST]");
    return true;
  }
  bool usable = mail_ && !recipients_.empty();
  if (!usable)
    reply(mail_ ? "554 5.5.1 Error: no valid recipients"
                : "503 5.5.1 Error: need MAIL command");
  else if (!postdrop_)
    usable = begin_message();
  std::int64_t left = *size;
  std::string piece;
  while (left > 0) {
    piece.resize(static_cast<std::size_t>(
        std::min<std::int64_t>(left, longest_piece)));
    const std::size_t got = std::fread(piece.data(), 1, piece.size(), stdin);
    if (got == 0) return false;
    left -= static_cast<std::int64_t>(got);
    if (usable) put_chunk(std::string_view(piece).substr(0, got), false);
  }
  if (!usable) return true;
  if (!last) {
    reply(fmt::format("250 2.0.0 Ok: {} bytes", *size));
    return true;
  }
  put_chunk("", true);
  finish_message();
  reset();
  return true;
}

// False when the input ends within the message, which is then nobody's.
bool LocalSmtp::data() {
  if (!begin_message()) return true;
  reply("354 End data with <CR><LF>.<CR><LF>");
  std::string line;
  bool at_start = true;
  for (;;) {
    bool complete = true;
    if (!read_line(line, longest_piece, complete)) return false;
    if (at_start && complete && line == ".") break;
    const bool stuffed = at_start && line.starts_with('.');
    postdrop_->put(complete ? rec_line : rec_partial,
                   std::string_view(line).substr(stuffed ? 1 : 0));
    at_start = complete;
  }
  finish_message();
  return true;
}

void LocalSmtp::run() {
  reply("220 " + config_.get<"smtpd_banner">());
  std::string line;
  bool complete = true;
  bool discarding = false;
  while (read_line(line, longest_command, complete)) {
    if (!complete || discarding) {
      if (complete) reply("500 5.5.2 Error: line too long");
      discarding = !complete;
      continue;
    }
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string verb = to_upper(std::string_view(line).substr(0, space));
    const std::string rest(trim(std::string_view(line).substr(space)));
    if (verb == "QUIT") return reply("221 2.0.0 Bye");
    if (verb == "EHLO" || verb == "HELO") {
      if (rest.empty()) {
        reply("501 Syntax: " + verb + " hostname");
        continue;
      }
      reset();
      helo_ = rest;
      extended_ = verb == "EHLO";
      if (extended_)
        ehlo();
      else
        reply("250 " + name_);
    } else if (verb == "MAIL") {
      mail(rest);
    } else if (verb == "RCPT") {
      rcpt(rest);
    } else if (verb == "DATA") {
      if (!mail_) {
        reply("503 5.5.1 Error: need MAIL command");
      } else if (recipients_.empty()) {
        reply("503 5.5.1 Error: need RCPT command");
      } else if (postdrop_) {
        reply("503 5.5.1 Error: DATA after BDAT");
      } else {
        if (!data()) return;
        reset();
      }
    } else if (verb == "BDAT") {
      if (!bdat(rest)) return;
    } else if (verb == "ETRN") {
      reply(rest.empty() ? "500 Syntax: ETRN domain"
                         : "458 Unable to queue messages");
    } else if (verb == "RSET") {
      reset();
      reply("250 2.0.0 Ok");
    } else if (verb == "NOOP") {
      reply("250 2.0.0 Ok");
    } else if (verb == "VRFY" && !vrfy_) {
      reply("502 5.5.1 VRFY command is disabled");
    } else if (verb == "VRFY") {
      reply(rest.empty() ? "501 5.5.4 Syntax: VRFY address"
                         : "252 2.0.0 " + printable_utf8(rest));
    } else {
      reply("500 5.5.2 Error: command not recognized");
    }
  }
}

}  // namespace

void serve_smtp(const Tool& tool, const config::Config& config) {
  require_authorised(tool, config, "authorized_submit_users", "submit mail");
  LocalSmtp(tool, config).run();
}

}  // namespace postern::tools
