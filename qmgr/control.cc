// What administrators may ask of the queue while it runs.
#include "common/base/text.h"
#include "common/ipc/messages/queue.h"
#include "common/mail/address.h"
#include "common/queue/queue_id.h"
#include "qmgr/manager.h"

namespace postern::qmgr {

void Manager::flush_all() {
  for (auto& [name, t] : transports_) t->revive_all();
  scan_incoming();
  scan_deferred(true);
  schedule_pump();
}

bool Manager::flush_message(const std::string& id) {
  for (auto& [name, t] : transports_) t->revive_all();
  const bool found = activate(id, queue::Box::deferred, false) ||
                     activate(id, queue::Box::incoming, true) ||
                     active_.contains(id);
  schedule_pump();
  return found;
}

Task<Result<bool>> Manager::flushable(std::string domain) {
  tables::MatchList::Walk walk(flush_domains_, domain);
  for (;;) {
    Result<std::optional<tables::MatchList::Walk::Question>> next =
        walk.next();
    if (!next) co_return next.trouble();
    if (!*next) co_return walk.matched();
    std::string table = (*next)->table;
    std::string key = (*next)->key;
    Result<std::optional<std::string>> found =
        co_await lookup_.find(std::move(table), std::move(key));
    if (!found) co_return found.trouble();
    walk.answer(found->has_value());
  }
}

Task<void> Manager::serve_smtpd(std::unique_ptr<ipc::Link> link) {
  constexpr Millis forever = std::chrono::hours(24 * 365);
  while (link->open() || link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await link->next(forever);
    if (!frame) continue;
    std::optional<ipc::FlushRequest> wanted =
        frame->as<ipc::FlushRequest>();
    if (!wanted) co_return;
    std::string site = wanted->site;
    ipc::FlushAnswer reply;
    reply.status = co_await flush_site(std::move(site));
    link->reply(frame->id, reply);
  }
}

// ETRN and postqueue -s: mail that waits for recipients of one domain. An "@"
// in front asks for subdomains as well (RFC 1985 section 5.3).
Task<std::string> Manager::flush_site(std::string domain) {
  const bool subdomains = domain.starts_with("@");
  const std::string site = to_lower(subdomains ? domain.substr(1) : domain);
  if (!mail::valid_hostname(site) && !mail::valid_literal(site))
    co_return "bad";
  Result<bool> eligible = co_await flushable(site);
  if (!eligible) {
    log_.warning(eligible.trouble().text);
    co_return "unavailable";
  }
  if (!*eligible) co_return "deny";
  if (draining_) co_return "unavailable";
  for (auto& [name, t] : transports_) t->revive_all();
  std::vector<std::string> ids;
  const Status done =
      spool_.scan(queue::Box::deferred, [&](const std::string& name) {
        if (queue::valid_id(name)) ids.push_back(name);
        return true;
      });
  if (!done) log_.warning(done.trouble().text);
  for (const std::string& id : ids) {
    const queue::Spool::Opened opened = spool_.open(queue::Box::deferred, id);
    if (!opened.message) continue;
    for (const queue::Recipient& r : opened.message->envelope.recipients) {
      if (r.done) continue;
      const std::string at =
          to_lower(mail::split_address(r.address).domain);
      if (at != site && !(subdomains && at.ends_with("." + site))) continue;
      activate(id, queue::Box::deferred, false);
      break;
    }
  }
  schedule_pump();
  co_return "ok";
}

}  // namespace postern::qmgr
