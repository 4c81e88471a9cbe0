// Submissions by local users: files in maildrop, written by postdrop, taken in
// by cleanup.
//
// A maildrop file is a queue file as any other (docs/formats/queue-file.md):
// preamble, the content as the user gave it, an envelope whose addresses are not
// rewritten yet. What is known of the submitter is the owner of the file, not
// what it says. Attributes that count: "full_name". An envelope's arrival,
// envid, ret, body, context, flags (smtputf8_requested, report_deliveries,
// verify_only), and its recipients' orcpt and notify count as well.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/queue/spool.h"

namespace postern::queue {

// The next bytes of the content, empty at its end; lines end in LF.
using ContentSource = std::function<Result<std::string>()>;

// For postdrop, under the user's id with the group that may write to maildrop.
// The envelope is read after the content: `next` may still add to it.
// On stable storage when it returns; gives the id of the file. On trouble
// nothing is left behind.
Result<std::string> write_maildrop(Spool& spool, Envelope& envelope,
                                   const ContentSource& next);

struct Submission {
  Stored message;
  uid_t owner = 0;
};
struct OpenedSubmission {
  std::optional<Submission> submission;
  // unfinished: also a file that its owner alone may read yet.
  Unreadable why = Unreadable::absent;
  std::string text;
};
// Reads and checks a file of maildrop, its content included: foreign bytes.
OpenedSubmission open_maildrop(Spool& spool, const std::string& id);

}  // namespace postern::queue
