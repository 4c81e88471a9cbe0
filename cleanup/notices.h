// Notices about messages: what bounce(8) does. qmgr asks for them; each is a
// message of its own that goes the way of all messages.
// Next: notice_rules.h (who is told), common/mail/dsn_notice.h (the text).
#pragma once

#include <optional>
#include <string>

#include "cleanup/notice_rules.h"
#include "cleanup/submission.h"
#include "common/base/result.h"
#include "common/config/config.h"
#include "common/ipc/messages/queue.h"
#include "common/log/log.h"
#include "common/loop/task.h"
#include "common/mail/bounce_template.h"
#include "common/mail/dsn_notice.h"

namespace postern::cleanup {

NoticeRules read_notice_rules(const config::Config& config);

class Notices {
 public:
  // `config` is the bounce row's. Reads bounce_template_file: before the
  // process is locked.
  Notices(const Means& means, const config::Config& config, log::Log log);

  // The answer comes when the notice is on disk, or none is due.
  Task<ipc::NoticeDone> tell(ipc::NoticeRequest request);

 private:
  struct Original;
  void load_templates(const std::string& file);
  Task<Result<std::string>> send(DueNotice due,
                                 const ipc::NoticeRequest* request,
                                 const Original* original);
  std::string compose(const DueNotice& due, const ipc::NoticeRequest& request,
                      const Original& original, const std::string& queue_id);

  Means means_;
  config::Config config_;
  log::Log log_;
  NoticeRules rules_;
  // What is not done to notices (internal_mail_filter_classes).
  std::int64_t filter_flags_ = ipc::no_header_body_checks | ipc::no_milters;
  mail::BounceTemplates templates_;
};

}  // namespace postern::cleanup
