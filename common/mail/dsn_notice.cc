// See dsn_notice.h.
#include "common/mail/dsn_notice.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/date.h"
#include "common/mail/tokens.h"

namespace postern::mail {
namespace {

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(),
      [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return line;
}

std::string_view address_type(std::string_view address) {
  return all_ascii(address) ? "rfc822" : "utf-8";
}

// Where the message was only postponed or never arrived, it is "Undelivered".
bool is_undelivered(NoticeKind kind) {
  return kind == NoticeKind::failure || kind == NoticeKind::delay;
}

class Composer {
 public:
  Composer(const Notice& notice, const BounceTemplate& from,
           const LineWriter& write)
      : notice_(notice), template_(from), write_(write) {}

  void headers() {
    if (!notice_.received.empty()) raw(notice_.received);
    field("Date", header_date(notice_.date));
    AddressList sender(template_.from);
    sender.rewrite([this](const std::string& address) {
      return split_address(address).has_at ? address
                                           : address + "@" + notice_.origin;
    });
    field("From", sender.to_text());
    field("Subject", notice_.postmaster_copy ? template_.postmaster_subject
                                             : template_.subject);
    field("To", quote_local_822(notice_.recipient));
    field("Auto-Submitted",
          notice_.postmaster_copy ? "auto-generated" : "auto-replied");
    if (!notice_.references.empty()) raw("References: " + notice_.references);
    if (!notice_.in_reply_to.empty()) field("In-Reply-To", notice_.in_reply_to);
    field("MIME-Version", "1.0");
    line("Content-Type: multipart/report; report-type=delivery-status;");
    line("\tboundary=\"" + notice_.boundary + "\"");
    field("Content-Transfer-Encoding", "8bit");
    if (!notice_.message_id.empty()) field("Message-Id", notice_.message_id);
    line("");
    line("This is a MIME-encapsulated message.");
    line("");
  }

  void people_part(std::string_view text) {
    part("Notification");
    // The whole is declared to be 8-bit, which us-ascii cannot be.
    const bool ascii = equal_nocase(template_.charset, "us-ascii");
    field("Content-Type",
          "text/plain; charset=" + (ascii ? "utf-8" : template_.charset));
    field("Content-Transfer-Encoding", "8bit");
    line("");
    if (!notice_.postmaster_copy) raw(text);
    for (const NoticeRecipient& recipient : notice_.recipients) {
      line("");
      wrapped(named(recipient) + ": " + recipient.reason);
    }
    line("");
  }

  void status_part() {
    part("Delivery report");
    if (notice_.smtputf8) {
      field("Content-Type", "message/global-delivery-status");
      field("Content-Transfer-Encoding", "8bit");
    } else {
      field("Content-Type", "message/delivery-status");
    }
    line("");
    field("Reporting-MTA", "dns; " + notice_.hostname);
    if (!notice_.envelope_id.empty())
      field("Original-Envelope-Id", notice_.envelope_id);
    field("X-" + notice_.mail_name + "-Queue-ID", notice_.queue_id);
    const std::string sender = original_sender();
    field("X-" + notice_.mail_name + "-Sender",
          std::string(address_type(sender)) + "; " + sender);
    field("Arrival-Date", header_date(notice_.arrival));
    for (const NoticeRecipient& recipient : notice_.recipients)
      recipient_status(recipient);
    line("");
  }

  void message_part(const LineReader& original) {
    const std::string_view what =
        is_undelivered(notice_.kind) ? "Undelivered Message" : "Message";
    part(std::string(what) + (notice_.full_message ? "" : " Headers"));
    const std::string_view type =
        notice_.full_message
            ? (notice_.smtputf8 ? "message/global" : "message/rfc822")
            : (notice_.smtputf8 ? "message/global-headers"
                                : "text/rfc822-headers");
    field("Content-Type", type);
    field("Content-Transfer-Encoding", "8bit");
    line("");
    field("Return-Path", "<" + original_sender() + ">");
    while (const std::optional<std::string> original_line = original()) {
      if (original_line->empty() && !notice_.full_message) break;
      write_(*original_line);
    }
    line("");
    line("--" + notice_.boundary + "--");
  }

 private:
  void line(std::string_view text) { write_(text); }
  void field(std::string_view name, std::string_view value) {
    write_(std::string(name) + ": " + one_line(value));
  }
  // A text of several lines.
  void raw(std::string_view text) {
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    for (const std::string& one : split(text, '\n')) write_(one);
  }
  void wrapped(std::string_view text) {
    for (const std::string& one : wrap_text(one_line(text))) write_(one);
  }
  void part(std::string_view description) {
    line("--" + notice_.boundary);
    field("Content-Description", description);
  }

  // External form; the null sender goes by the name that notices have.
  std::string original_sender() const {
    return quote_local_822(notice_.sender.empty()
                               ? "MAILER-DAEMON@" + notice_.origin
                               : notice_.sender);
  }

  static std::string named(const NoticeRecipient& recipient) {
    std::string name = "<" + quote_local_822(recipient.address) + ">";
    if (!recipient.original.empty() &&
        !equal_nocase(recipient.original, recipient.address))
      name += " (expanded from <" + quote_local_822(recipient.original) + ">)";
    return name;
  }

  void recipient_status(const NoticeRecipient& recipient) {
    line("");
    const std::string final_form = quote_local_822(recipient.address);
    field("Final-Recipient",
          std::string(address_type(final_form)) + "; " + final_form);
    field("Original-Recipient", original_recipient(recipient));
    field("Action", recipient.action);
    field("Status", recipient.status);
    if (!recipient.remote_mta.empty())
      field("Remote-MTA", "dns; " + recipient.remote_mta);
    if (recipient.diagnostic_type.empty())
      wrapped("Diagnostic-Code: X-" + notice_.mail_name + "; " +
              recipient.reason);
    else
      wrapped("Diagnostic-Code: " + recipient.diagnostic_type + "; " +
              recipient.diagnostic);
    if (recipient.retry_until != 0)
      field("Will-Retry-Until", header_date(recipient.retry_until));
  }

  // As the client gave it, or the address the message came in for.
  static std::string original_recipient(const NoticeRecipient& recipient) {
    if (!recipient.orcpt.empty()) return recipient.orcpt;
    const std::string& original =
        recipient.original.empty() ? recipient.address : recipient.original;
    return std::string(address_type(original)) + ";" + original;
  }

  const Notice& notice_;
  const BounceTemplate& template_;
  const LineWriter& write_;
};

}  // namespace

std::string notice_boundary(std::string_view queue_id, std::time_t when,
                            std::string_view hostname) {
  return std::string(queue_id) + "." + std::to_string(when) + "/" +
         std::string(hostname);
}

void compose_notice(const Notice& notice, const BounceTemplate& from,
                    std::string_view text, const LineReader& original,
                    const LineWriter& write) {
  Composer composer(notice, from, write);
  composer.headers();
  composer.people_part(text);
  composer.status_part();
  composer.message_part(original);
}

std::vector<std::string> wrap_text(std::string_view text, std::size_t width,
                                   std::size_t indent) {
  std::vector<std::string> lines;
  text = trim(text);
  while (true) {
    const std::size_t room =
        lines.empty() || indent >= width ? width : width - indent;
    std::size_t end = text.size();
    if (text.size() > room) {
      end = text.find_last_of(" \t", room);
      if (end == std::string_view::npos || end == 0)
        end = text.find_first_of(" \t");
      if (end == std::string_view::npos) end = text.size();
    }
    const std::size_t margin = lines.empty() ? 0 : indent;
    lines.push_back(std::string(margin, ' ') +
                    std::string(trim_right(text.substr(0, end))));
    text = trim_left(text.substr(end));
    if (text.empty()) return lines;
  }
}

}  // namespace postern::mail
