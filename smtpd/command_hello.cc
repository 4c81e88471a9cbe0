// HELO and EHLO (RFC 5321 section 4.1.1.1, RFC 1869).
#include <fmt/format.h>

#include "common/base/text.h"
#include "smtpd/session.h"

namespace postern::smtpd {

// The name is judged, then remembered; whatever was under way is forgotten.
Task<bool> Session::greeted(std::string name) {
  if (!settings_->delay_reject) {
    const std::optional<std::string> before = facts_.helo;
    facts_.helo = name;
    Refusal refused = co_await access_.helo();
    facts_.helo = before;
    if (refused) {
      co_await reply(std::move(*refused));
      co_return false;
    }
  }
  reset_transaction();
  facts_.helo = harmless_name(name);
  co_return true;
}

Task<bool> Session::helo(CommandLine line) {
  if (line.bare()) {
    co_return co_await refuse(Fault::protocol, "501 Syntax: HELO hostname");
  }
  const bool fine = co_await greeted(join(line.words, " "));
  if (!fine) co_return false;
  // An ESMTP client that says HELO again still may pipeline.
  if (facts_.protocol != "ESMTP") facts_.protocol = "SMTP";
  co_await reply("250 " + settings_->myhostname);
  co_return true;
}

Task<bool> Session::ehlo(CommandLine line) {
  if (line.bare()) {
    co_return co_await refuse(Fault::protocol, "501 Syntax: EHLO hostname");
  }
  const bool fine = co_await greeted(join(line.words, " "));
  if (!fine) co_return false;
  facts_.protocol = "ESMTP";
  if (discarded_ != 0 && keeps(keyword_silent))
    log_.info("discarding EHLO keywords: {}", keywords_text(discarded_));
  const std::vector<std::string> auth = co_await auth_keywords();
  co_await reply(ehlo_reply(auth));
  co_return true;
}

std::string Session::ehlo_reply(const std::vector<std::string>& auth) const {
  std::vector<std::string> lines{settings_->myhostname};
  if (keeps(keyword_pipelining)) lines.push_back("PIPELINING");
  if (keeps(keyword_size))
    lines.push_back(settings_->message_size_limit > 0
                        ? fmt::format("SIZE {}", settings_->message_size_limit)
                        : "SIZE");
  if (keeps(keyword_vrfy) && !settings_->disable_vrfy) lines.push_back("VRFY");
  if (keeps(keyword_etrn)) lines.push_back("ETRN");
  if (keeps(keyword_starttls) && settings_->tls.offered && !facts_.tls)
    lines.push_back("STARTTLS");
  lines.insert(lines.end(), auth.begin(), auth.end());
  if (may_verp_) lines.push_back("XVERP");
  if (keeps(keyword_xclient) && may_xclient_)
    lines.push_back("XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN "
                    "DESTADDR DESTPORT");
  if (keeps(keyword_xforward) && may_xforward_)
    lines.push_back("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
  if (keeps(keyword_enhancedstatuscodes))
    lines.push_back("ENHANCEDSTATUSCODES");
  if (keeps(keyword_8bitmime)) lines.push_back("8BITMIME");
  if (keeps(keyword_dsn)) lines.push_back("DSN");
  if (keeps(keyword_smtputf8) && settings_->smtputf8)
    lines.push_back("SMTPUTF8");
  if (keeps(keyword_chunking)) lines.push_back("CHUNKING");
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += (i == 0 ? "250" : "\n250") +
            std::string(i + 1 < lines.size() ? "-" : " ") + lines[i];
  return text;
}

// smtpd_discard_ehlo_keyword_address_maps by the client's address, else
// smtpd_discard_ehlo_keywords.
Task<unsigned> Session::discarded_keywords() {
  if (settings_->discard_maps.empty()) co_return settings_->discarded_keywords;
  ipc::TableFind question;
  question.maps = settings_->discard_maps;
  question.keys.push_back(facts_.client.address);
  Result<ipc::TableAnswer> found =
      co_await surroundings_.find(std::move(question));
  if (!found || found->trouble.present) {
    log_.warning("{}: lookup error for \"{}\"", settings_->discard_maps,
                 facts_.client.address);
    co_return settings_->discarded_keywords;
  }
  if (!found->found) co_return settings_->discarded_keywords;
  co_return parse_keywords(found->value, nullptr);
}

}  // namespace postern::smtpd
