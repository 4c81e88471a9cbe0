#include "local/storing.h"

#include <fcntl.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/mail/date.h"
#include "common/os/files.h"
#include "common/service/rights.h"

namespace postern::local {
namespace {

// An address may hold anything; a line of ours stays one line.
std::string in_line(const std::string& address) {
  return printable_utf8(mail::quote_local_822(address));
}

}  // namespace

std::string separator_line(const std::string& sender, std::time_t when) {
  const std::string name = sender.empty() ? "MAILER-DAEMON" : in_line(sender);
  return "From " + name + "  " + mail::ctime_date(when);
}

std::string address_header(const std::string& name,
                           const std::string& address) {
  return name + ": " + in_line(address) + "\n";
}

std::string store_headers(const std::string& sender,
                          const std::string& original,
                          const std::string& delivered) {
  std::string headers = "Return-Path: <" + in_line(sender) + ">\n";
  if (!original.empty())
    headers += "X-Original-To: " + in_line(original) + "\n";
  if (!delivered.empty())
    headers += "Delivered-To: " + in_line(delivered) + "\n";
  return headers;
}

ipc::WorkerRequest mailbox_worker(const Settings& settings,
                                  const os::User& user) {
  ipc::WorkerRequest who;
  who.purpose = "mailbox";
  who.uid = user.uid;
  who.gid = user.gid;
  who.user = user.name;
  who.path = mailbox_path(settings.home_mailbox, settings.spool, user)
                 .value_or("");
  return who;
}

Result<Fd> message_of(const ipc::DeliverRequest& request) {
  Fd message(::fcntl(request.message.get(), F_DUPFD_CLOEXEC, 0));
  if (!message) return os::system_trouble("open message", errno);
  return message;
}

Result<ipc::StoreRequest> store_request(const Settings& settings,
                                        const ipc::DeliverRequest& request,
                                        const std::string& path,
                                        const std::string& original,
                                        const std::string& delivered) {
  ipc::StoreRequest store;
  store.separator = separator_line(request.sender, std::time(nullptr));
  store.headers =
      store_headers(request.sender, settings.original_recipient ? original : "",
                    settings.delivered_to_file ? delivered : "");
  if (!path.ends_with('/')) store.locks = settings.locks.methods;
  store.lock_attempts = settings.locks.attempts;
  store.lock_delay = settings.locks.delay;
  store.stale_lock = settings.locks.stale;
  store.size_limit = settings.size_limit;
  store.strict_ownership = settings.strict_ownership;
  store.content_offset = request.content_offset;
  store.content_size = request.content_size;
  Result<Fd> message = message_of(request);
  if (!message) return message.trouble();
  store.message = std::move(*message);
  return store;
}

}  // namespace postern::local
